//! Who leads, who is there, and what a client asks about that before it asks for anything else.

use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::node::Service;
use crate::wire::gossip::member_info::VNodeState;
use crate::wire::gossip::{ClusterInfo, EndPoint, MemberInfo};
use crate::wire::server_features::{SupportedMethod, SupportedMethods};

/// The server whose answers these are.
const VERSION: &str = "24.10.0";

const STREAMS: &str = "event_store.client.streams.streams";
const METHODS: [(&str, &str, &[&str]); 7] = [
    (STREAMS, "read", &["position", "events"]),
    (STREAMS, "append", &[]),
    (STREAMS, "delete", &[]),
    (STREAMS, "tombstone", &[]),
    (STREAMS, "batchappend", &["deadline_duration"]),
    ("event_store.client.gossip.gossip", "read", &[]),
    ("event_store.client.server_features.serverfeatures", "getsupportedmethods", &[]),
];

/// The part that each node plays.
pub struct Standing {
    leader: Option<usize>,
    alive: Vec<bool>,
    instances: Vec<Uuid>,
}

impl Standing {
    pub fn first_of(nodes: usize) -> Self {
        Self { leader: Some(0), alive: vec![true; nodes], instances: (0..nodes).map(|_| Uuid::new_v4()).collect() }
    }

    pub fn leader(&self) -> Option<usize> {
        self.leader
    }

    pub fn depose(&mut self) {
        self.leader = None;
    }

    pub fn elect(&mut self, node: usize) {
        self.leader = Some(node);
    }

    pub fn died(&mut self, node: usize) {
        self.alive[node] = false;
        self.leader = self.leader.filter(|leader| *leader != node);
    }

    /// Whether it leads: alone it does, without being elected.
    pub fn came_back(&mut self, node: usize) -> bool {
        self.alive[node] = true;
        self.instances[node] = Uuid::new_v4();
        if self.alive.len() == 1 {
            self.leader = Some(node);
        }
        self.leader == Some(node)
    }
}

impl Service {
    pub async fn gossip(&self, _: Request<()>) -> Result<Response<ClusterInfo>, Status> {
        let shared = &self.node.shared;
        shared.faults.delay().await;
        let standing = shared.standing.lock().unwrap();
        let member = |(node, address): (usize, &std::net::SocketAddr)| MemberInfo {
            instance_id: Some(standing.instances[node].into()),
            time_stamp: 0,
            state: match standing.leader {
                None => VNodeState::Unknown,
                Some(leader) if leader == node => VNodeState::Leader,
                Some(_) => VNodeState::Follower,
            }
            .into(),
            is_alive: standing.alive[node],
            http_end_point: Some(EndPoint { address: address.ip().to_string(), port: address.port().into() }),
        };
        Ok(Response::new(ClusterInfo { members: shared.addresses.iter().enumerate().map(member).collect() }))
    }

    pub async fn supported_methods(&self, _: Request<()>) -> Result<Response<SupportedMethods>, Status> {
        self.node.shared.faults.delay().await;
        let method = |(service, method, features): &(&str, &str, &[&str])| SupportedMethod {
            service_name: (*service).to_owned(),
            method_name: (*method).to_owned(),
            features: features.iter().map(|feature| (*feature).to_owned()).collect(),
        };
        let methods = METHODS.iter().map(method).collect();
        Ok(Response::new(SupportedMethods { methods, event_store_server_version: VERSION.to_owned() }))
    }
}

//! The services of the protocol: which name is which call, and of which kind.

use std::convert::Infallible;
use std::task::{Context, Poll};

use tonic::Status;
use tonic::body::BoxBody;
use tonic::codec::ProstCodec;
use tonic::codegen::{BoxFuture, http};
use tonic::server::{Grpc, NamedService};
use tower::service_fn;

use crate::node::Service;

macro_rules! service {
    ($service:ident, $name:literal: $($method:literal $kind:ident $call:ident;)*) => {
        #[derive(Clone)]
        pub struct $service(pub Service);

        impl NamedService for $service {
            const NAME: &'static str = $name;
        }

        impl tower::Service<http::Request<BoxBody>> for $service {
            type Response = http::Response<BoxBody>;
            type Error = Infallible;
            type Future = BoxFuture<Self::Response, Infallible>;

            fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
                Poll::Ready(Ok(()))
            }

            fn call(&mut self, request: http::Request<BoxBody>) -> Self::Future {
                let service = self.0.clone();
                Box::pin(async move {
                    let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
                    Ok(match method.as_str() {
                        $($method => {
                            let call = service_fn(move |asked| {
                                let service = service.clone();
                                async move { service.$call(asked).await }
                            });
                            Grpc::new(ProstCodec::default()).$kind(call, request).await
                        })*
                        _ => Status::unimplemented("").into_http(),
                    })
                })
            }
        }
    };
}

service! { Streams, "event_store.client.streams.Streams":
    "Read" server_streaming read;
    "Append" client_streaming append;
    "Delete" unary delete;
    "Tombstone" unary tombstone;
    "BatchAppend" streaming batch_append;
}

service! { Gossip, "event_store.client.gossip.Gossip":
    "Read" unary gossip;
}

service! { ServerFeatures, "event_store.client.server_features.ServerFeatures":
    "GetSupportedMethods" unary supported_methods;
}

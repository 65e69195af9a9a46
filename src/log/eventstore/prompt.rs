//! What is written to EventStoreDB goes out at once.
//!
//! The client leaves Nagle's algorithm on (KurrentDB-Client-Rust#232, mended by #233, and in no release yet), and gives nobody its
//! sockets: the end of an append that takes more than one write waits until the other side has acknowledged what came
//! before, and that side delays it by 40 ms, having nothing to say yet. So the sockets are found among those of this process,
//! by the port that they lead to. Linux lets a process do that; where it does not, or a sandbox forbids it, appends are as
//! slow as the client makes them, and nothing else happens.
//!
//! **Files are not touched.** Whoever closes any handle on a file lets go of all locks that its process has on it (POSIX, `fcntl`), and
//! locks are what keeps another process from taking SQLite's write-ahead log away. So only sockets are taken, and a handle
//! that turns out to be none is never closed.

/// Turns Nagle's algorithm off for every connection of this process to one of these ports; answers for how many. Takes some
/// microseconds for each file that is open.
#[cfg(target_os = "linux")]
pub fn connections_to(ports: &[u16]) -> std::io::Result<usize> {
    use std::net::SocketAddr;

    use rustix::io::Errno;
    use rustix::net::{getpeername, sockopt::set_tcp_nodelay};
    use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

    let this = pidfd_open(getpid(), PidfdFlags::empty())?;
    let mut found = 0;
    for open in std::fs::read_dir("/proc/self/fd")? {
        let open = open?;
        let leads_to = std::fs::read_link(open.path()).unwrap_or_default();
        if !leads_to.to_string_lossy().starts_with("socket:[") {
            continue;
        }
        let Some(number) = open.file_name().to_str().and_then(|number| number.parse().ok()) else { continue };
        // A handle of our own on the same socket. What was closed meanwhile is not there.
        let Ok(socket) = pidfd_getfd(&this, number, PidfdGetfdFlags::empty()) else { continue };
        let peer = match getpeername(&socket) {
            Ok(Some(peer)) => peer,
            Ok(None) | Err(Errno::NOTCONN) => continue,
            Err(_) => {
                // The number went to another file in this moment.
                std::mem::forget(socket);
                continue;
            }
        };
        if SocketAddr::try_from(peer).is_ok_and(|peer| ports.contains(&peer.port())) {
            set_tcp_nodelay(&socket, true)?;
            found += 1;
        }
    }
    Ok(found)
}

#[cfg(not(target_os = "linux"))]
pub fn connections_to(_: &[u16]) -> std::io::Result<usize> {
    Ok(0)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    #[cfg(target_os = "linux")]
    #[test]
    fn connections_are_found_by_where_they_lead() {
        let (there, elsewhere) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
        let (one, other) = (there.local_addr().unwrap(), elsewhere.local_addr().unwrap());
        let (meant, not_meant) = (TcpStream::connect(one).unwrap(), TcpStream::connect(other).unwrap());
        assert_eq!(super::connections_to(&[one.port()]).unwrap(), 1);
        assert!(meant.nodelay().unwrap());
        assert!(!not_meant.nodelay().unwrap());
    }
}

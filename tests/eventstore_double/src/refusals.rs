//! How a server says no: the code, and what stands beside it for a client to act on.

use std::net::SocketAddr;

use prost::Message;
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};

use crate::log::Expected;
use crate::wire::{common as wire, google_rpc as rpc};

pub fn not_leader(leader: SocketAddr) -> Status {
    let mut status = saying(Status::not_found("Leader info available"), "not-leader");
    note(&mut status, "leader-endpoint-host", &leader.ip().to_string());
    note(&mut status, "leader-endpoint-port", &leader.port().to_string());
    status
}

pub fn not_ready() -> Status {
    Status::unavailable("Server Is Not Ready")
}

pub fn too_busy() -> Status {
    Status::unavailable("Server Is Too Busy")
}

pub fn timed_out() -> Status {
    Status::aborted("Operation timed out: Prepare phase timeout.")
}

pub fn access_denied() -> Status {
    saying(Status::permission_denied("Access Denied"), "access-denied")
}

pub fn unknown_user() -> Status {
    Status::unauthenticated("Bad credentials")
}

pub fn stream_deleted(stream: &str) -> Status {
    let said = Status::failed_precondition(format!("Event stream '{stream}' is deleted."));
    let mut status = saying(said, "stream-deleted");
    note(&mut status, "stream-name", stream);
    status
}

pub fn wrong_version(operation: &str, stream: &str, expected: Expected, actual: Option<u64>) -> Status {
    let (expected, actual) = (number(expected), actual.map_or(-1, |actual| actual.cast_signed()));
    let mut status = saying(
        Status::failed_precondition(format!(
            "{operation} failed due to WrongExpectedVersion. Stream: {stream}, Expected version: {expected}, Actual \
             version: {actual}"
        )),
        "wrong-expected-version",
    );
    note(&mut status, "stream-name", stream);
    note(&mut status, "expected-version", &expected.to_string());
    note(&mut status, "actual-version", &actual.to_string());
    status
}

pub fn too_large(most: usize) -> Status {
    let said = Status::invalid_argument(format!("Maximum Append Size of {most} Exceeded."));
    let mut status = saying(said, "maximum-append-size-exceeded");
    note(&mut status, "maximum-append-size", &most.to_string());
    status
}

pub fn missing(property: &str) -> Status {
    let said = Status::invalid_argument(format!("Required Metadata Property '{property}' is missing"));
    let mut status = saying(said, "missing-required-metadata-property");
    note(&mut status, "required-metadata-properties", "type,content-type");
    status
}

pub fn no_such_place() -> Status {
    Status::invalid_argument("Trying to read from an invalid position.")
}

fn number(expected: Expected) -> i64 {
    match expected {
        Expected::Exact(revision) => revision.cast_signed(),
        Expected::NoStream => -1,
        Expected::Any => -2,
        Expected::StreamExists => -4,
    }
}

fn saying(mut status: Status, exception: &str) -> Status {
    note(&mut status, "exception", exception);
    status
}

fn note(status: &mut Status, key: &'static str, value: &str) {
    if let Ok(value) = MetadataValue::try_from(value) {
        status.metadata_mut().insert(key, value);
    }
}

/// The same in a session of batched appends, where one append fails and the session goes on.
pub mod batched {
    use super::*;

    pub fn wrong_version(expected: Expected, current: Option<u64>) -> rpc::Status {
        use wire::wrong_expected_version::{
            CurrentStreamRevisionOption as Current, ExpectedStreamPositionOption as Position,
        };
        let current = current.map_or(Current::CurrentNoStream(()), Current::CurrentStreamRevision);
        let expected = match expected {
            Expected::Any => Position::ExpectedAny(()),
            Expected::NoStream => Position::ExpectedNoStream(()),
            Expected::StreamExists => Position::ExpectedStreamExists(()),
            Expected::Exact(revision) => Position::ExpectedStreamPosition(revision),
        };
        let details = wire::WrongExpectedVersion {
            current_stream_revision_option: Some(current),
            expected_stream_position_option: Some(expected),
        };
        status(Code::AlreadyExists, "WrongExpectedVersion", "WrongExpectedVersion", &details)
    }

    pub fn stream_deleted(stream: &str) -> rpc::Status {
        let details = wire::StreamDeleted { stream_identifier: Some(wire::StreamIdentifier::of(stream)) };
        status(Code::NotFound, "StreamDeleted", "StreamDeleted", &details)
    }

    pub fn access_denied() -> rpc::Status {
        status(Code::PermissionDenied, "AccessDenied", "AccessDenied", &wire::AccessDenied {})
    }

    pub fn timed_out() -> rpc::Status {
        status(Code::DeadlineExceeded, "Timeout", "Timeout", &wire::Timeout {})
    }

    pub fn too_large(most: usize) -> rpc::Status {
        let details = wire::MaximumAppendSizeExceeded { max_append_size: u32::try_from(most).unwrap_or(u32::MAX) };
        status(Code::InvalidArgument, "MaximumAppendSizeExceeded", "MaximumAppendSizeExceeded", &details)
    }

    pub fn bad_request(message: &str) -> rpc::Status {
        let details = wire::BadRequest { message: message.to_owned() };
        status(Code::InvalidArgument, "BadRequest", "BadRequest", &details)
    }

    /// A server leaves the code unset here, so it says that all is well.
    pub fn not_handled(message: &str) -> rpc::Status {
        status(Code::Ok, message, "Empty", &())
    }

    fn status(code: Code, message: &str, kind: &str, details: &impl Message) -> rpc::Status {
        let type_url = match kind {
            "Empty" => "type.googleapis.com/google.protobuf.Empty".to_owned(),
            kind => format!("type.googleapis.com/event_store.client.{kind}"),
        };
        let details = prost_types::Any { type_url, value: details.encode_to_vec() };
        rpc::Status { code: code as i32, message: message.to_owned(), details: Some(details) }
    }
}

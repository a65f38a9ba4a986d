//! The clients of API Gateway, and what all calls on HTTP APIs share.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_apigatewayv2::Client;
use hitctl_engine::{Fault, FaultKind, Wait};

use crate::aws::account::Aws;
use crate::aws::fault::Doing;

/// The stage that has no name in URLs.
pub(super) const STAGE: &str = "$default";
/// The code of what is not there.
pub(super) const NOT_FOUND: &str = "NotFoundException";

/// For a read of all of it.
pub(super) const READ: Wait = Wait::up_to(Duration::from_mins(1));
/// For a write. API Gateway takes ten calls a second from an account (AWS's guide, "Amazon API Gateway quotas"), and answers
/// 409 to some changes of one API that come close together.
pub(super) const WRITE: Wait = Wait {
    first: Duration::from_millis(200),
    longest: Duration::from_secs(2),
    attempt: Duration::from_mins(1),
    budget: Duration::from_mins(5),
};

/// HTTP APIs in AWS.
#[derive(Clone, Debug)]
pub(crate) struct HttpApis {
    pub(super) aws: Arc<Aws>,
    /// For calls that change something, each sent once.
    pub(super) client: Client,
    /// For calls that only look.
    pub(super) reader: Client,
}

impl HttpApis {
    /// What a call on that API is for.
    pub(super) fn doing(verb: &'static str, part: &str, api_id: &str, operation: &'static str) -> Doing {
        let what = match part {
            "" => format!("HTTP API {api_id}"),
            part => format!("{part} of HTTP API {api_id}"),
        };
        Doing::new(verb, what, operation)
    }
}

/// What was not found in an API that was found: it is not visible everywhere yet, or is being deleted.
pub(super) fn not_visible(fault: Fault) -> Fault {
    Fault { kind: FaultKind::Transient, ..fault }
}

/// What was not found was there a moment ago: it is looked at again.
pub(super) fn fault(is_not_found: bool, fault: Fault) -> Fault {
    if is_not_found { not_visible(fault) } else { fault }
}

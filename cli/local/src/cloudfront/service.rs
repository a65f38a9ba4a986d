//! `CloudFront`'s REST protocol: creating, listing and looking at invalidations, in XML.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use hyper::{Method, StatusCode};
use quick_xml::escape::escape;

use super::batch::Batch;
use super::{Asked, CloudFront, NotAsked};
use crate::answer::Answer;
use crate::blocking::blocking;
use crate::clock::{now_ms, timestamp};
use crate::front::{Call, Service};

/// What the paths of this version of the API begin with.
pub(crate) const PREFIX: &str = "/2020-05-31/";
const NAMESPACE: &str = "http://cloudfront.amazonaws.com/doc/2020-05-31/";
/// How many are listed at most, unless asked for fewer.
const PAGE: usize = 100;

impl Service for CloudFront {
    fn answer(&self, call: Call) -> BoxFuture<'_, Answer> {
        let cloudfront = self.clone();
        // It waits for the disk.
        async move {
            let answered = blocking(move || Ok(answer(&cloudfront, &call))).await;
            answered.unwrap_or_else(|fault| broken(&fault.message))
        }
        .boxed()
    }
}

fn answer(cloudfront: &CloudFront, call: &Call) -> Answer {
    let path = call.uri.path().strip_prefix(PREFIX).unwrap_or_default();
    let parts: Vec<&str> = path.trim_end_matches('/').split('/').collect();
    let ["distribution", distribution, "invalidation", rest @ ..] = parts.as_slice() else {
        return unknown();
    };
    if !is_distribution(distribution) {
        return not_found("NoSuchDistribution", "The specified distribution does not exist.");
    }
    match (&call.method, rest) {
        (&Method::POST, []) => create(cloudfront, distribution, &call.body),
        (&Method::GET, []) => list(cloudfront, distribution, call.uri.query().unwrap_or_default()),
        (&Method::GET, [id]) => get(cloudfront, distribution, id),
        _ => unknown(),
    }
}

fn is_distribution(id: &str) -> bool {
    id.strip_prefix('E').is_some_and(|rest| {
        (1..=31).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    })
}

fn create(cloudfront: &CloudFront, distribution: &str, body: &[u8]) -> Answer {
    let batch = match Batch::parse(body) {
        Ok(batch) => batch,
        Err(("BatchTooLarge", why)) => return error(StatusCode::PAYLOAD_TOO_LARGE, "BatchTooLarge", &why),
        Err((code, why)) => return error(StatusCode::BAD_REQUEST, code, &why),
    };
    match cloudfront.ask(distribution, &batch) {
        Ok(asked) => {
            let location = format!(
                "https://cloudfront.amazonaws.com{PREFIX}distribution/{distribution}/invalidation/{}",
                asked.id
            );
            Answer::xml(StatusCode::CREATED, &invalidation(&asked)).header("location", &location)
        }
        Err(why @ NotAsked::AlreadyExists) => {
            error(StatusCode::BAD_REQUEST, "InvalidationBatchAlreadyExists", &why.to_string())
        }
        Err(why @ NotAsked::TooMany) => {
            error(StatusCode::BAD_REQUEST, "TooManyInvalidationsInProgress", &why.to_string())
        }
        Err(NotAsked::Broken(fault)) => broken(&fault.message),
    }
}

fn get(cloudfront: &CloudFront, distribution: &str, id: &str) -> Answer {
    let found = cloudfront.data.look(|data| {
        data.asked.iter().find(|asked| asked.distribution == distribution && asked.id == id).cloned()
    });
    match found {
        Some(asked) => Answer::xml(StatusCode::OK, &invalidation(&asked)),
        None => not_found("NoSuchInvalidation", "The specified invalidation does not exist."),
    }
}

/// The newest first, from after `Marker`.
fn list(cloudfront: &CloudFront, distribution: &str, query: &str) -> Answer {
    let value = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let most = value("MaxItems").and_then(|most| most.parse().ok()).unwrap_or(PAGE).clamp(1, PAGE);
    let marker = value("Marker").unwrap_or_default();
    let now = now_ms();
    let (items, more) = cloudfront.data.look(|data| {
        let all = data.asked.iter().rev().filter(|asked| asked.distribution == distribution);
        let mut after = all.skip_while(|asked| !marker.is_empty() && asked.id != marker);
        if !marker.is_empty() {
            after.next();
        }
        let mut items: Vec<Asked> = after.take(most + 1).cloned().collect();
        let more = items.len() > most;
        items.truncate(most);
        (items, more)
    });
    let summaries: Vec<String> = items
        .iter()
        .map(|asked| {
            format!(
                "<InvalidationSummary><Id>{}</Id><CreateTime>{:.3}</CreateTime><Status>{}</Status></InvalidationSummary>",
                asked.id,
                timestamp(asked.created_ms),
                asked.status(now)
            )
        })
        .collect();
    let next = items.last().filter(|_| more).map(|last| format!("<NextMarker>{}</NextMarker>", last.id));
    let body = format!(
        "<InvalidationList xmlns=\"{NAMESPACE}\"><Marker>{}</Marker>{}<MaxItems>{most}</MaxItems><IsTruncated>{more}</IsTruncated>\
         <Quantity>{}</Quantity><Items>{}</Items></InvalidationList>",
        escape(marker),
        next.unwrap_or_default(),
        items.len(),
        summaries.concat()
    );
    Answer::xml(StatusCode::OK, &body)
}

fn invalidation(asked: &Asked) -> String {
    let paths: Vec<String> =
        asked.paths.iter().map(|path| format!("<Path>{}</Path>", escape(path))).collect();
    format!(
        "<Invalidation xmlns=\"{NAMESPACE}\"><Id>{}</Id><Status>{}</Status><CreateTime>{:.3}</CreateTime><InvalidationBatch><Paths>\
         <Quantity>{}</Quantity><Items>{}</Items></Paths><CallerReference>{}</CallerReference></InvalidationBatch></Invalidation>",
        asked.id,
        asked.status(now_ms()),
        timestamp(asked.created_ms),
        paths.len(),
        paths.concat(),
        escape(&asked.caller_reference)
    )
}

fn unknown() -> Answer {
    not_found("UnknownOperationException", "this cloud has invalidations only")
}

fn not_found(code: &str, message: &str) -> Answer {
    error(StatusCode::NOT_FOUND, code, message)
}

fn broken(why: &str) -> Answer {
    error(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", why)
}

fn error(status: StatusCode, code: &str, message: &str) -> Answer {
    Answer::error_response(status, &format!(" xmlns=\"{NAMESPACE}\""), code, message)
}

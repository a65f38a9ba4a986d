//! `CloudFront`'s REST protocol in XML: creates, lists and returns invalidations.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use hyper::{Method, StatusCode};
use quick_xml::escape::escape;

use super::batch::InvalidationBatch;
use super::{CloudFront, InvalidationError, StoredInvalidation};
use crate::blocking::run_blocking;
use crate::clock::{now_ms, timestamp};
use crate::endpoint::{AwsService, ServiceRequest};
use crate::service_response::ServiceResponse;

/// The path prefix of this version of the API.
pub(crate) const PREFIX: &str = "/2020-05-31/";
const XML_NAMESPACE: &str = "http://cloudfront.amazonaws.com/doc/2020-05-31/";
/// The maximum number of invalidations in one page.
const MAX_PAGE_ITEMS: usize = 100;

impl AwsService for CloudFront {
    fn handle(&self, request: ServiceRequest) -> BoxFuture<'_, ServiceResponse> {
        let cloudfront = self.clone();
        // Requests may block on the disk.
        async move {
            let response = run_blocking(move || Ok(handle(&cloudfront, &request))).await;
            response.unwrap_or_else(|fault| internal_error(&fault.message))
        }
        .boxed()
    }
}

fn handle(cloudfront: &CloudFront, request: &ServiceRequest) -> ServiceResponse {
    let path = request.uri.path().strip_prefix(PREFIX).unwrap_or_default();
    let parts: Vec<&str> = path.trim_end_matches('/').split('/').collect();
    let ["distribution", distribution, "invalidation", rest @ ..] = parts.as_slice() else {
        return unknown_operation();
    };
    if !is_distribution(distribution) {
        return not_found("NoSuchDistribution", "The specified distribution does not exist.");
    }
    match (&request.method, rest) {
        (&Method::POST, []) => create(cloudfront, distribution, &request.body),
        (&Method::GET, []) => list(cloudfront, distribution, request.uri.query().unwrap_or_default()),
        (&Method::GET, [id]) => get(cloudfront, distribution, id),
        _ => unknown_operation(),
    }
}

/// Returns whether an id has the format of distribution ids: `E`, then capital letters and digits.
fn is_distribution(id: &str) -> bool {
    id.strip_prefix('E').is_some_and(|rest| {
        (1..=31).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    })
}

fn create(cloudfront: &CloudFront, distribution: &str, body: &[u8]) -> ServiceResponse {
    let batch = match InvalidationBatch::parse(body) {
        Ok(batch) => batch,
        Err(("BatchTooLarge", message)) => {
            return error(StatusCode::PAYLOAD_TOO_LARGE, "BatchTooLarge", &message);
        }
        Err((code, message)) => return error(StatusCode::BAD_REQUEST, code, &message),
    };
    match cloudfront.create_invalidation(distribution, &batch) {
        Ok(invalidation) => {
            let location = format!(
                "https://cloudfront.amazonaws.com{PREFIX}distribution/{distribution}/invalidation/{}",
                invalidation.id
            );
            ServiceResponse::xml(StatusCode::CREATED, &invalidation_xml(&invalidation))
                .header("location", &location)
        }
        Err(reason @ InvalidationError::AlreadyExists) => {
            error(StatusCode::BAD_REQUEST, "InvalidationBatchAlreadyExists", &reason.to_string())
        }
        Err(reason @ InvalidationError::TooManyInProgress) => {
            error(StatusCode::BAD_REQUEST, "TooManyInvalidationsInProgress", &reason.to_string())
        }
        Err(InvalidationError::StateFile(fault)) => internal_error(&fault.message),
    }
}

fn get(cloudfront: &CloudFront, distribution: &str, id: &str) -> ServiceResponse {
    let found = cloudfront.log.with(|log| {
        log.invalidations
            .iter()
            .find(|invalidation| invalidation.distribution == distribution && invalidation.id == id)
            .cloned()
    });
    match found {
        Some(invalidation) => ServiceResponse::xml(StatusCode::OK, &invalidation_xml(&invalidation)),
        None => not_found("NoSuchInvalidation", "The specified invalidation does not exist."),
    }
}

/// Lists invalidations, newest first, starting after `Marker`.
fn list(cloudfront: &CloudFront, distribution: &str, query: &str) -> ServiceResponse {
    let value = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let max_items = value("MaxItems")
        .and_then(|max_items| max_items.parse().ok())
        .unwrap_or(MAX_PAGE_ITEMS)
        .clamp(1, MAX_PAGE_ITEMS);
    let marker = value("Marker").unwrap_or_default();
    let now = now_ms();
    let (items, more) = cloudfront.log.with(|log| {
        let matching =
            log.invalidations.iter().rev().filter(|invalidation| invalidation.distribution == distribution);
        let mut after = matching.skip_while(|invalidation| !marker.is_empty() && invalidation.id != marker);
        if !marker.is_empty() {
            after.next();
        }
        // One more than a page, to know whether another page follows.
        let mut items: Vec<StoredInvalidation> = after.take(max_items + 1).cloned().collect();
        let more = items.len() > max_items;
        items.truncate(max_items);
        (items, more)
    });
    let summaries: Vec<String> = items
        .iter()
        .map(|invalidation| {
            format!(
                "<InvalidationSummary><Id>{}</Id><CreateTime>{:.3}</CreateTime><Status>{}</Status></InvalidationSummary>",
                invalidation.id,
                timestamp(invalidation.created_ms),
                invalidation.status(now)
            )
        })
        .collect();
    let next = items.last().filter(|_| more).map(|last| format!("<NextMarker>{}</NextMarker>", last.id));
    let body = format!(
        "<InvalidationList xmlns=\"{XML_NAMESPACE}\"><Marker>{}</Marker>{}<MaxItems>{max_items}</MaxItems><IsTruncated>{more}</IsTruncated>\
         <Quantity>{}</Quantity><Items>{}</Items></InvalidationList>",
        escape(marker),
        next.unwrap_or_default(),
        items.len(),
        summaries.concat()
    );
    ServiceResponse::xml(StatusCode::OK, &body)
}

fn invalidation_xml(invalidation: &StoredInvalidation) -> String {
    let paths: Vec<String> =
        invalidation.paths.iter().map(|path| format!("<Path>{}</Path>", escape(path))).collect();
    format!(
        "<Invalidation xmlns=\"{XML_NAMESPACE}\"><Id>{}</Id><Status>{}</Status><CreateTime>{:.3}</CreateTime><InvalidationBatch><Paths>\
         <Quantity>{}</Quantity><Items>{}</Items></Paths><CallerReference>{}</CallerReference></InvalidationBatch></Invalidation>",
        invalidation.id,
        invalidation.status(now_ms()),
        timestamp(invalidation.created_ms),
        paths.len(),
        paths.concat(),
        escape(&invalidation.caller_reference)
    )
}

fn unknown_operation() -> ServiceResponse {
    not_found("UnknownOperationException", "the local cloud supports only CloudFront invalidations")
}

fn not_found(code: &str, message: &str) -> ServiceResponse {
    error(StatusCode::NOT_FOUND, code, message)
}

fn internal_error(message: &str) -> ServiceResponse {
    error(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message)
}

fn error(status: StatusCode, code: &str, message: &str) -> ServiceResponse {
    ServiceResponse::xml_error(status, &format!(" xmlns=\"{XML_NAMESPACE}\""), code, message)
}

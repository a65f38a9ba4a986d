//! Reads query parameters, and returns an error response for invalid ones.

use super::outcome::RouteError;
use crate::http::CounterRequest;
use crate::query::QueryParams;

/// Parses the query string of a request.
pub(super) fn query(request: &CounterRequest) -> Result<QueryParams, RouteError> {
    QueryParams::parse(&request.query).map_err(|bad| {
        let code = if bad.name == "path" { "bad_path" } else { "bad_param" };
        RouteError::new(400, code, &bad.to_string())
    })
}

/// Returns a parameter that may occur at most once.
pub(super) fn optional_param<'a>(
    query: &'a QueryParams,
    name: &'a str,
) -> Result<Option<&'a str>, RouteError> {
    let mut values = query.all(name);
    let value = values.next();
    match values.next() {
        None => Ok(value),
        Some(_) => Err(bad_param(&format!("expected at most one `{name}` parameter"))),
    }
}

/// Returns a parameter that is 1 or 0.
pub(super) fn flag(query: &QueryParams, name: &str) -> Result<bool, RouteError> {
    let mut on = false;
    for value in query.all(name) {
        on |= match value {
            "1" => true,
            "0" => false,
            _ => return Err(bad_param(&format!("`{name}`: expected 0 or 1"))),
        };
    }
    Ok(on)
}

pub(super) fn bad_param(message: &str) -> RouteError {
    RouteError::new(400, "bad_param", message)
}

/// Returns a parameter that is a number from 1 to `max`.
pub(super) fn number(
    query: &QueryParams,
    name: &str,
    default: usize,
    max: usize,
) -> Result<usize, RouteError> {
    let Some(text) = optional_param(query, name)? else { return Ok(default) };
    match text.parse() {
        Ok(n) if (1..=max).contains(&n) => Ok(n),
        _ => Err(bad_param(&format!("`{name}`: expected a number from 1 to {max}"))),
    }
}

/// Returns the `path` parameter, which must occur exactly once.
pub(super) fn required_path(query: &QueryParams) -> Result<&str, RouteError> {
    let mut paths = query.all("path");
    match (paths.next(), paths.next()) {
        (Some(path), None) => Ok(path),
        _ => Err(bad_param("expected one `path` parameter, such as ?path=/")),
    }
}

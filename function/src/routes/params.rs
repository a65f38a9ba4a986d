//! The parameters of a request, and what a wrong one is answered.

use super::outcome::Stop;
use crate::http::Request;
use crate::query::Query;

/// The parameters of a request.
pub(super) fn query(request: &Request) -> Result<Query, Stop> {
    Query::parse(&request.query).map_err(|bad| {
        let code = if bad.name == "path" { "bad_path" } else { "bad_param" };
        Stop::new(400, code, &bad.to_string())
    })
}

/// A parameter that is given at most once.
pub(super) fn once<'a>(query: &'a Query, name: &'a str) -> Result<Option<&'a str>, Stop> {
    let mut values = query.all(name);
    let value = values.next();
    match values.next() {
        None => Ok(value),
        Some(_) => Err(bad_param(&format!("give the parameter `{name}` only once"))),
    }
}

/// A parameter that is 1 or 0.
pub(super) fn flag(query: &Query, name: &str, meaning: &str) -> Result<bool, Stop> {
    let mut on = false;
    for value in query.all(name) {
        on |= match value {
            "1" => true,
            "0" => false,
            _ => return Err(bad_param(&format!("the parameter `{name}` is 1 to {meaning}, or 0"))),
        };
    }
    Ok(on)
}

pub(super) fn bad_param(message: &str) -> Stop {
    Stop::new(400, "bad_param", message)
}

/// A parameter that is a number from 1 to `most`.
pub(super) fn number(query: &Query, name: &str, default: usize, most: usize) -> Result<usize, Stop> {
    let Some(text) = once(query, name)? else { return Ok(default) };
    match text.parse() {
        Ok(n) if (1..=most).contains(&n) => Ok(n),
        _ => Err(bad_param(&format!("the parameter `{name}` is a number from 1 to {most}"))),
    }
}

/// The path that has to be given once.
pub(super) fn the_path(query: &Query) -> Result<&str, Stop> {
    let mut paths = query.all("path");
    match (paths.next(), paths.next()) {
        (Some(path), None) => Ok(path),
        _ => Err(bad_param("give the parameter `path` once, such as ?path=/")),
    }
}

//! Matches requests to route keys, and extracts path variables.
//!
//! As documented, a full match has priority over a greedy path variable, and both have priority over `$default`.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use hitctl_engine::Fault;
use hyper::Method;

use super::text::percent_decode;

/// The routes of one API.
#[derive(Debug, Default)]
pub(super) struct Routes {
    /// Sorted by priority, highest first.
    routes: Vec<Route>,
    has_default: bool,
}

#[derive(Debug)]
struct Route {
    key: String,
    /// `None` means `ANY`.
    method: Option<Method>,
    segments: Vec<Segment>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    Literal(String),
    Variable(String),
    Greedy(String),
}

/// A matched route: its key and the decoded path variables.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MatchedRoute<'a> {
    pub(super) key: &'a str,
    pub(super) variables: BTreeMap<&'a str, String>,
}

const DEFAULT: &str = "$default";

impl Routes {
    /// Parses route keys such as `GET /pets/{id}`.
    pub(super) fn parse<'a>(keys: impl IntoIterator<Item = &'a String>) -> Result<Self, Fault> {
        let mut all = Self::default();
        for key in keys {
            if key == DEFAULT {
                all.has_default = true;
            } else {
                let route = Route::parse(key).ok_or_else(|| {
                    Fault::fatal("bad_route", format!("the route key {key:?} is not valid")).hinted(
                        "write it as `GET /path`, `ANY /path/{variable}`, `ANY /{proxy+}` or `$default`",
                    )
                })?;
                all.routes.push(route);
            }
        }
        all.routes.sort_by(Route::order);
        Ok(all)
    }

    /// Returns the route that matches a request.
    pub(super) fn find(&self, method: &Method, path: &str) -> Option<MatchedRoute<'_>> {
        for route in &self.routes {
            if route.method.as_ref().is_none_or(|wanted| wanted == method)
                && let Some(variables) = route.matches(path)
            {
                return Some(MatchedRoute { key: &route.key, variables });
            }
        }
        self.has_default.then(|| MatchedRoute { key: DEFAULT, variables: BTreeMap::new() })
    }
}

impl Route {
    fn parse(key: &str) -> Option<Self> {
        let (method, path) = key.split_once(' ')?;
        let method = match method {
            "ANY" => None,
            other if other.bytes().all(|byte| byte.is_ascii_uppercase()) => {
                Some(Method::from_bytes(other.as_bytes()).ok()?)
            }
            _ => return None,
        };
        let names: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        let last = names.len() - 1;
        let segments = names
            .into_iter()
            .enumerate()
            .map(|(index, name)| match name.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
                Some(name) => match name.strip_suffix('+') {
                    Some(name) => {
                        (index == last && !name.is_empty()).then(|| Segment::Greedy(name.to_owned()))
                    }
                    None => (!name.is_empty()).then(|| Segment::Variable(name.to_owned())),
                },
                None => (!name.contains(['{', '}', ' '])).then(|| Segment::Literal(name.to_owned())),
            })
            .collect::<Option<Vec<_>>>()?;
        Some(Self { key: key.to_owned(), method, segments })
    }

    /// Orders routes by priority, highest first. Of two full matches, the one with the earlier literal segment has
    /// priority. For the same path, a method has priority over `ANY`.
    fn order(&self, other: &Self) -> Ordering {
        let greedy = |route: &Self| matches!(route.segments.last(), Some(Segment::Greedy(_)));
        greedy(self)
            .cmp(&greedy(other))
            .then_with(|| {
                self.segments.iter().map(Segment::rank).cmp(other.segments.iter().map(Segment::rank))
            })
            // A longer prefix before the greedy variable is more specific.
            .then_with(|| other.segments.len().cmp(&self.segments.len()))
            .then_with(|| self.method.is_none().cmp(&other.method.is_none()))
    }

    fn matches<'a>(&'a self, path: &str) -> Option<BTreeMap<&'a str, String>> {
        let mut variables = BTreeMap::new();
        let mut rest = Some(path.strip_prefix('/')?);
        for segment in &self.segments {
            let path = rest?;
            let (head, tail) = path.split_once('/').map_or((path, None), |(head, tail)| (head, Some(tail)));
            match segment {
                Segment::Literal(literal) if literal == head || *literal == percent_decode(head, false) => {}
                Segment::Variable(name) if !head.is_empty() => {
                    variables.insert(name.as_str(), percent_decode(head, false).into_owned());
                }
                Segment::Greedy(name) if !path.is_empty() => {
                    variables.insert(name.as_str(), percent_decode(path, false).into_owned());
                    return Some(variables);
                }
                _ => return None,
            }
            rest = tail;
        }
        rest.is_none().then_some(variables)
    }
}

impl Segment {
    fn rank(&self) -> u8 {
        match self {
            Self::Literal(_) => 0,
            Self::Variable(_) => 1,
            Self::Greedy(_) => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(keys: &[&str]) -> Routes {
        Routes::parse(&keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    fn found<'a>(routes: &'a Routes, method: &str, path: &str) -> Option<&'a str> {
        routes.find(&Method::from_bytes(method.as_bytes()).unwrap(), path).map(|matched| matched.key)
    }

    #[test]
    fn find_returns_most_specific_route() {
        let routes = routes(&[
            "GET /pets/dog/1",
            "GET /pets/dog/{id}",
            "GET /pets/{proxy+}",
            "ANY /{proxy+}",
            "ANY /pets/dog/1",
            "POST /pets/{kind}/1",
            "$default",
        ]);
        for (method, path, key) in [
            ("GET", "/pets/dog/1", "GET /pets/dog/1"),
            ("PUT", "/pets/dog/1", "ANY /pets/dog/1"),
            ("POST", "/pets/cat/1", "POST /pets/{kind}/1"),
            ("GET", "/pets/dog/2", "GET /pets/dog/{id}"),
            ("GET", "/pets/cat/1", "GET /pets/{proxy+}"),
            ("POST", "/test/5", "ANY /{proxy+}"),
            ("GET", "/", "$default"),
        ] {
            assert_eq!(found(&routes, method, path), Some(key), "{method} {path}");
        }
    }

    #[test]
    fn find_without_default_route_returns_none_for_other_paths() {
        let routes = routes(&["ANY /counter", "GET /v1/count"]);
        assert_eq!(found(&routes, "DELETE", "/counter"), Some("ANY /counter"));
        assert_eq!(found(&routes, "HEAD", "/v1/count"), None);
        for path in ["/", "/counter/", "/counter/x", "/v1", "//counter", "*"] {
            assert_eq!(found(&routes, "GET", path), None, "{path}");
        }
        assert_eq!(found(&routes, "GET", "/c%6funter"), Some("ANY /counter"));
    }

    #[test]
    fn find_decodes_path_variables() {
        let routes = routes(&["GET /a/{x}/{rest+}"]);
        let matched = routes.find(&Method::GET, "/a/b%20c/d/e%2Ff").unwrap();
        assert_eq!(
            matched.variables,
            BTreeMap::from([("x", "b c".to_owned()), ("rest", "d/e/f".to_owned())])
        );
        assert_eq!(found(&routes, "GET", "/a//d"), None);
        assert_eq!(found(&routes, "GET", "/a/b/"), None);
    }

    #[test]
    fn parse_of_invalid_route_key_fails() {
        for key in ["", "GET", "/a", "get /a", "GET a", "GET /{x+}/a", "GET /{}", "GET /a{b}"] {
            assert!(Routes::parse(&[key.to_owned()]).is_err(), "{key}");
        }
    }
}

//! What is invalidated when, and under which name: a window's invalidation after hits, one for all that concurrent runs
//! count in it; and the paths of objects that changed. Pure but for the table that decides who does it.

use std::collections::BTreeSet;

use crate::path::percent_encoded;
use crate::sigv4::sha256;
use crate::trigger::Object;

/// The most changed objects that are named one by one; beyond, everything is invalidated, which costs as much as one path.
pub const MOST_PATHS: usize = 100;

/// The reference of the invalidation after the hits of a window: of `window_s` seconds, at `now_s` since 1970.
pub fn window_reference(name: &str, window_s: u64, now_s: u64) -> String {
    format!("hitctl-{name}-{}", now_s / window_s.max(1))
}

/// The reference of the invalidation of objects: the same for the same objects, whatever their order.
pub fn objects_reference(objects: &[Object]) -> String {
    let mut lines = BTreeSet::new();
    for object in objects {
        lines.insert(format!("{}\0{}\0{}\n", object.bucket, object.key, object.version));
    }
    let all: String = lines.into_iter().collect();
    format!("hitctl-{}", sha256(all.as_bytes()))
}

/// The paths under which objects are served, as `CloudFront` takes them.
pub fn paths(objects: &[Object]) -> Vec<String> {
    // Inserted one by one: to collect them would sort them, and another sort is 8 KB of the function.
    let mut keys = BTreeSet::new();
    for object in objects {
        keys.insert(object.key.clone());
    }
    if keys.len() > MOST_PATHS {
        return vec!["/*".to_owned()];
    }
    let mut paths = Vec::with_capacity(keys.len());
    for key in keys {
        let path = format!("/{}", percent_encoded(&key, KEPT));
        if let Some(folder) = path.strip_suffix("index.html").filter(|folder| folder.ends_with('/')) {
            paths.push(folder.to_owned());
        }
        paths.push(path);
    }
    paths
}

/// What of a key stays as it is in a path: all that a path may hold but the star, which at the end would be any path.
const KEPT: &[u8] = b"-._~!$&'()+,;=:@/";

#[cfg(test)]
mod tests {
    use super::*;

    fn object(key: &str, version: &str) -> Object {
        Object { bucket: "site".to_owned(), key: key.to_owned(), version: version.to_owned() }
    }

    #[test]
    fn objects_are_invalidated_where_they_are_served() {
        let keys = ["index.html", "a/index.html", "myindex.html", "a b/ü*.css", "a/index.html", "x+y&z"];
        let objects: Vec<Object> = keys.iter().map(|key| object(key, "1")).collect();
        let expected =
            ["/a%20b/%C3%BC%2A.css", "/a/", "/a/index.html", "/", "/index.html", "/myindex.html", "/x+y&z"];
        assert_eq!(paths(&objects), expected);
        let many: Vec<Object> = (0..101).map(|n| object(&n.to_string(), "1")).collect();
        assert_eq!(paths(&many[..100]).len(), 100);
        assert_eq!(paths(&many), ["/*"]);
    }

    #[test]
    fn the_same_objects_have_the_same_reference() {
        let (a, b) = (object("a", "1"), object("b", "1"));
        let reference = objects_reference(&[a.clone(), b.clone()]);
        assert_eq!(reference, objects_reference(&[b.clone(), a.clone(), b.clone()]));
        assert_ne!(reference, objects_reference(&[object("a", "2"), b]));
        assert_ne!(reference, objects_reference(&[a]));
        assert!(reference.len() <= 128);
    }

    #[test]
    fn a_window_has_one_reference() {
        assert_eq!(window_reference("hits-test", 60, 1_789_898_400), "hitctl-hits-test-29831640");
        assert_eq!(window_reference("hits-test", 60, 1_789_898_459), "hitctl-hits-test-29831640");
        assert_eq!(window_reference("hits-test", 0, 7), "hitctl-hits-test-7");
    }
}

//! Computes the paths and caller references of CloudFront invalidations. The reference is the same for all hits
//! in a time window, and for the same set of changed objects, so that CloudFront invalidates only once. Sends no
//! requests; after hits, the store decides which process invalidates.

use std::collections::BTreeSet;

use crate::path::percent_encoded;
use crate::sigv4::sha256;
use crate::trigger::S3Object;

/// The maximum number of changed objects that are invalidated separately. If there are more, `/*` is
/// invalidated, which costs as much as one path.
pub const MAX_PATHS: usize = 100;

/// Returns the caller reference of the invalidation after hits. It is the same during a window of `window_s`
/// seconds. `now_s` is the current time in seconds since 1970.
pub fn window_reference(name: &str, window_s: u64, now_s: u64) -> String {
    format!("hitctl-{name}-{}", now_s / window_s.max(1))
}

/// Returns the caller reference of the invalidation of changed objects. It does not depend on their order.
pub fn objects_reference(objects: &[S3Object]) -> String {
    let mut lines = BTreeSet::new();
    for object in objects {
        lines.insert(format!("{}\0{}\0{}\n", object.bucket, object.key, object.version));
    }
    let all: String = lines.into_iter().collect();
    format!("hitctl-{}", sha256(all.as_bytes()))
}

/// Returns the paths under which objects are served, in CloudFront's format.
pub fn paths(objects: &[S3Object]) -> Vec<String> {
    // `collect` would call a sort function, which would add 8 KB to the program.
    let mut keys = BTreeSet::new();
    for object in objects {
        keys.insert(object.key.clone());
    }
    if keys.len() > MAX_PATHS {
        return vec!["/*".to_owned()];
    }
    let mut paths = Vec::with_capacity(keys.len());
    for key in keys {
        let path = format!("/{}", percent_encoded(&key, UNENCODED_BYTES));
        if let Some(folder) = path.strip_suffix("index.html").filter(|folder| folder.ends_with('/')) {
            paths.push(folder.to_owned());
        }
        paths.push(path);
    }
    paths
}

/// The punctuation in keys that is not encoded: everything that a URL path may contain except `*`, which is a
/// wildcard at the end of an invalidation path.
const UNENCODED_BYTES: &[u8] = b"-._~!$&'()+,;=:@/";

#[cfg(test)]
mod tests {
    use super::*;

    fn object(key: &str, version: &str) -> S3Object {
        S3Object { bucket: "site".to_owned(), key: key.to_owned(), version: version.to_owned() }
    }

    #[test]
    fn object_keys_become_the_served_paths() {
        let keys = ["index.html", "a/index.html", "myindex.html", "a b/ü*.css", "a/index.html", "x+y&z"];
        let objects: Vec<S3Object> = keys.iter().map(|key| object(key, "1")).collect();
        let expected =
            ["/a%20b/%C3%BC%2A.css", "/a/", "/a/index.html", "/", "/index.html", "/myindex.html", "/x+y&z"];
        assert_eq!(paths(&objects), expected);
        let many: Vec<S3Object> = (0..101).map(|n| object(&n.to_string(), "1")).collect();
        assert_eq!(paths(&many[..100]).len(), 100);
        assert_eq!(paths(&many), ["/*"]);
    }

    #[test]
    fn same_objects_have_the_same_reference() {
        let (a, b) = (object("a", "1"), object("b", "1"));
        let reference = objects_reference(&[a.clone(), b.clone()]);
        assert_eq!(reference, objects_reference(&[b.clone(), a.clone(), b.clone()]));
        assert_ne!(reference, objects_reference(&[object("a", "2"), b]));
        assert_ne!(reference, objects_reference(&[a]));
        assert!(reference.len() <= 128);
    }

    #[test]
    fn window_has_one_reference() {
        assert_eq!(window_reference("hits-test", 60, 1_789_898_400), "hitctl-hits-test-29831640");
        assert_eq!(window_reference("hits-test", 60, 1_789_898_459), "hitctl-hits-test-29831640");
        assert_eq!(window_reference("hits-test", 0, 7), "hitctl-hits-test-7");
    }
}

//! Tests parsing, limits and storage of invalidations.

use super::*;

const XML: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<InvalidationBatch xmlns="http://cloudfront.amazonaws.com/doc/2020-05-31/">
  <Paths><Quantity>2</Quantity><Items><Path>/a?x=1&amp;y=2</Path><Path>/b&#47;c*</Path></Items></Paths>
  <CallerReference>hits&lt;1&gt;</CallerReference>
</InvalidationBatch>"#;

fn batch(reference: &str, paths: &[&str]) -> InvalidationBatch {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    InvalidationBatch { caller_reference: reference.to_owned(), paths }
}

fn parsed(reference: &str, quantity: &str, paths: &[&str]) -> Result<InvalidationBatch, &'static str> {
    let items: String = paths.iter().fold(String::new(), |all, path| format!("{all}<Path>{path}</Path>"));
    let xml = format!(
        "<InvalidationBatch><Paths><Quantity>{quantity}</Quantity><Items>{items}</Items></Paths><CallerReference>{reference}\
         </CallerReference></InvalidationBatch>"
    );
    InvalidationBatch::parse(xml.as_bytes()).map_err(|(code, _)| code)
}

fn recorder(dir: &tempfile::TempDir) -> CloudFront {
    CloudFront::open(&StateDir::prepare(dir.path()).unwrap()).unwrap()
}

#[test]
fn batch_is_parsed_from_xml() {
    assert_eq!(InvalidationBatch::parse(XML.as_bytes()), Ok(batch("hits<1>", &["/a?x=1&y=2", "/b/c*"])));
    assert_eq!(parsed("r", "1", &["/*"]), Ok(batch("r", &["/*"])));
}

#[test]
fn invalid_batch_is_rejected_with_code_of_cloudfront() {
    let many = vec!["/"; 3_001];
    for (reference, quantity, paths, code) in [
        ("", "1", &["/"][..], "InvalidArgument"),
        ("r", "2", &["/"], "InconsistentQuantities"),
        ("r", "x", &["/"], "InconsistentQuantities"),
        ("r", "0", &[], "InvalidArgument"),
        ("r", "1", &["index.html"], "InvalidArgument"),
        ("r", "1", &["/a*b"], "InvalidArgument"),
        ("r", "1", &["/a**"], "InvalidArgument"),
        ("r", "1", &["/with space"], "InvalidArgument"),
        ("r", "1", &["/\u{fc}"], "InvalidArgument"),
        ("r", "3001", &many[..], "BatchTooLarge"),
    ] {
        assert_eq!(parsed(reference, quantity, paths), Err(code), "{reference} {quantity}");
    }
    for (xml, code) in [
        ("", "MissingBody"),
        ("  \n", "MissingBody"),
        ("<InvalidationBatch>", "MalformedInput"),
        ("{}", "InvalidArgument"),
        ("<a></b>", "MalformedInput"),
        (
            "<InvalidationBatch><CallerReference>&nothing;</CallerReference></InvalidationBatch>",
            "MalformedInput",
        ),
    ] {
        assert_eq!(InvalidationBatch::parse(xml.as_bytes()).unwrap_err().0, code, "{xml}");
    }
}

#[test]
fn repeated_reference_returns_same_invalidation_or_error() {
    let dir = tempfile::tempdir().unwrap();
    let recorder = recorder(&dir);
    let first = recorder.create_invalidation("E1", &batch("r", &["/a", "/b"])).unwrap();
    assert_eq!(recorder.create_invalidation("E1", &batch("r", &["/b", "/a"])).unwrap(), first);
    assert!(matches!(
        recorder.create_invalidation("E1", &batch("r", &["/a"])),
        Err(InvalidationError::AlreadyExists)
    ));
    assert_ne!(
        recorder.create_invalidation("E2", &batch("r", &["/a"])).unwrap().id,
        first.id,
        "another distribution may use the same reference"
    );
    assert_eq!((first.id.len(), &first.id[..1]), (14, "I"));
}

#[test]
fn invalidations_survive_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let invalidation = recorder(&dir).create_invalidation("E1", &batch("r", &["/*"])).unwrap();
    let reopened = recorder(&dir);
    let all = reopened.all();
    assert_eq!(all.len(), 1);
    assert_eq!((&all[0].id, all[0].status.as_str()), (&invalidation.id, "Completed"));
    assert_eq!(reopened.create_invalidation("E1", &batch("r", &["/*"])).unwrap(), invalidation);
}

#[test]
fn limits_count_only_invalidations_in_progress() {
    let dir = tempfile::tempdir().unwrap();
    let recorder = recorder(&dir);
    recorder.set_invalidation_time(3_600).unwrap();
    for n in 0..MAX_WILDCARDS {
        recorder.create_invalidation("E1", &batch(&format!("r{n}"), &["/*"])).unwrap();
    }
    assert_eq!(recorder.all()[0].status, "InProgress");
    assert!(matches!(
        recorder.create_invalidation("E1", &batch("more", &["/*"])),
        Err(InvalidationError::TooManyInProgress)
    ));
    recorder.create_invalidation("E1", &batch("plain", &["/a"])).unwrap();
    recorder.create_invalidation("E2", &batch("other", &["/*"])).unwrap();
    let maximum: Vec<String> = (0..MAX_PATHS).map(|n| format!("/{n}")).collect();
    let maximum: Vec<&str> = maximum.iter().map(String::as_str).collect();
    assert!(matches!(
        recorder.create_invalidation("E1", &batch("large", &maximum)),
        Err(InvalidationError::TooManyInProgress)
    ));
    recorder.set_invalidation_time(0).unwrap();
    assert_eq!(recorder.all()[0].status, "Completed");
    recorder.create_invalidation("E1", &batch("more", &["/*"])).unwrap();
    recorder.create_invalidation("E1", &batch("large", &maximum)).unwrap();
}

#[test]
fn oldest_invalidations_are_deleted_beyond_maximum() {
    let dir = tempfile::tempdir().unwrap();
    let recorder = recorder(&dir);
    let existing = StoredInvalidation {
        id: "I0".to_owned(),
        distribution: "E1".to_owned(),
        caller_reference: "old".to_owned(),
        paths: vec!["/".to_owned()],
        created_ms: 0,
        done_ms: 0,
    };
    let fill = |log: &mut InvalidationLog| {
        log.invalidations = vec![existing; MAX_STORED];
        Ok::<_, Fault>(())
    };
    recorder.log.update(fill).unwrap();
    recorder.create_invalidation("E1", &batch("new", &["/a"])).unwrap();
    let all = recorder.all();
    assert_eq!((all.len(), all[MAX_STORED - 1].caller_reference.as_str()), (MAX_STORED, "new"));
}

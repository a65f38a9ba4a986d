//! Invalidations, as they are asked for and remembered.

use super::*;

const XML: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<InvalidationBatch xmlns="http://cloudfront.amazonaws.com/doc/2020-05-31/">
  <Paths><Quantity>2</Quantity><Items><Path>/a?x=1&amp;y=2</Path><Path>/b&#47;c*</Path></Items></Paths>
  <CallerReference>hits&lt;1&gt;</CallerReference>
</InvalidationBatch>"#;

fn batch(reference: &str, paths: &[&str]) -> Batch {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    Batch { caller_reference: reference.to_owned(), paths }
}

fn parsed(reference: &str, quantity: &str, paths: &[&str]) -> Result<Batch, &'static str> {
    let items: String = paths.iter().fold(String::new(), |all, path| format!("{all}<Path>{path}</Path>"));
    let xml = format!(
        "<InvalidationBatch><Paths><Quantity>{quantity}</Quantity><Items>{items}</Items></Paths><CallerReference>{reference}\
         </CallerReference></InvalidationBatch>"
    );
    Batch::parse(xml.as_bytes()).map_err(|(code, _)| code)
}

fn recorder(dir: &tempfile::TempDir) -> CloudFront {
    CloudFront::open(&StateDir::prepare(dir.path()).unwrap()).unwrap()
}

#[test]
fn a_batch_is_read_from_its_xml() {
    assert_eq!(Batch::parse(XML.as_bytes()), Ok(batch("hits<1>", &["/a?x=1&y=2", "/b/c*"])));
    assert_eq!(parsed("r", "1", &["/*"]), Ok(batch("r", &["/*"])));
}

#[test]
fn what_cloudfront_refuses_is_refused() {
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
        assert_eq!(Batch::parse(xml.as_bytes()).unwrap_err().0, code, "{xml}");
    }
}

#[test]
fn the_same_reference_is_the_same_invalidation_or_refused() {
    let dir = tempfile::tempdir().unwrap();
    let recorder = recorder(&dir);
    let first = recorder.ask("E1", &batch("r", &["/a", "/b"])).unwrap();
    assert_eq!(recorder.ask("E1", &batch("r", &["/b", "/a"])).unwrap(), first);
    assert!(matches!(recorder.ask("E1", &batch("r", &["/a"])), Err(NotAsked::AlreadyExists)));
    assert_ne!(recorder.ask("E2", &batch("r", &["/a"])).unwrap().id, first.id, "of another distribution");
    assert_eq!((first.id.len(), &first.id[..1]), (14, "I"));
}

#[test]
fn what_was_asked_is_there_after_opening_again() {
    let dir = tempfile::tempdir().unwrap();
    let asked = recorder(&dir).ask("E1", &batch("r", &["/*"])).unwrap();
    let again = recorder(&dir);
    let all = again.all();
    assert_eq!(all.len(), 1);
    assert_eq!((&all[0].id, all[0].status.as_str()), (&asked.id, "Completed"));
    assert_eq!(again.ask("E1", &batch("r", &["/*"])).unwrap(), asked);
}

#[test]
fn the_limits_are_on_what_is_in_progress() {
    let dir = tempfile::tempdir().unwrap();
    let recorder = recorder(&dir);
    recorder.hold(3_600).unwrap();
    for n in 0..MOST_WILDCARDS {
        recorder.ask("E1", &batch(&format!("r{n}"), &["/*"])).unwrap();
    }
    assert_eq!(recorder.all()[0].status, "InProgress");
    assert!(matches!(recorder.ask("E1", &batch("more", &["/*"])), Err(NotAsked::TooMany)));
    recorder.ask("E1", &batch("plain", &["/a"])).unwrap();
    recorder.ask("E2", &batch("other", &["/*"])).unwrap();
    let most: Vec<String> = (0..MOST_PATHS).map(|n| format!("/{n}")).collect();
    let most: Vec<&str> = most.iter().map(String::as_str).collect();
    assert!(matches!(recorder.ask("E1", &batch("most", &most)), Err(NotAsked::TooMany)));
    recorder.hold(0).unwrap();
    assert_eq!(recorder.all()[0].status, "Completed");
    recorder.ask("E1", &batch("more", &["/*"])).unwrap();
    recorder.ask("E1", &batch("most", &most)).unwrap();
}

#[test]
fn the_oldest_are_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let recorder = recorder(&dir);
    let before = Asked {
        id: "I0".to_owned(),
        distribution: "E1".to_owned(),
        caller_reference: "old".to_owned(),
        paths: vec!["/".to_owned()],
        created_ms: 0,
        done_ms: 0,
    };
    let fill = |data: &mut Data| {
        data.asked = vec![before; REMEMBERED];
        Ok::<_, Fault>(())
    };
    recorder.data.change(fill).unwrap();
    recorder.ask("E1", &batch("new", &["/a"])).unwrap();
    let all = recorder.all();
    assert_eq!((all.len(), all[REMEMBERED - 1].caller_reference.as_str()), (REMEMBERED, "new"));
}

//! Tests of invalidations, as an SDK requests and lists them.

use hitctl_local::client::LocalClient;

use crate::harness::{DaemonTestEnv, RawConnection, daemon_pid, sigkill};

const SIGNED: &str = "x-amz-date: 20260101T000000Z\r\nauthorization: AWS4-HMAC-SHA256 \
                      Credential=a/20260101/us-east-1/cloudfront/aws4_request, SignedHeaders=host, Signature=0";

async fn send(client: &LocalClient, line: &str, body: &str) -> (u16, String) {
    let mut connection = RawConnection::connect(&client.endpoint().table).await.unwrap();
    let head = format!("{line} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/xml\r\n{SIGNED}");
    connection.send(&head, body).await.unwrap()
}

async fn invalidate(client: &LocalClient, reference: &str, path: &str) -> (u16, String) {
    let body = format!(
        "<InvalidationBatch xmlns=\"http://cloudfront.amazonaws.com/doc/2020-05-31/\"><Paths><Quantity>1</Quantity><Items>\
         <Path>{path}</Path></Items></Paths><CallerReference>{reference}</CallerReference></InvalidationBatch>"
    );
    send(client, "POST /2020-05-31/distribution/E123ABC/invalidation", &body).await
}

#[tokio::test]
async fn invalidation_is_recorded_and_survives_sigkill() {
    let env = DaemonTestEnv::new();
    let client = env.start_new().await;
    let (status, created) = invalidate(&client, "one", "/a&amp;b*").await;
    assert_eq!(status, 201, "{created}");
    sigkill(daemon_pid(&client));
    let client = env.start_new().await;
    let all = client.invalidations().await.unwrap();
    assert_eq!(all.len(), 1);
    assert_eq!((all[0].distribution.as_str(), all[0].caller_reference.as_str()), ("E123ABC", "one"));
    assert_eq!((&all[0].paths, all[0].status.as_str()), (&vec!["/a&b*".to_owned()], "Completed"));
    let id = &all[0].id;
    assert!(created.contains(&format!("<Id>{id}</Id>")), "{created}");
    assert_eq!(
        invalidate(&client, "one", "/a&amp;b*").await,
        (201, created),
        "a repeated request returns the same invalidation"
    );
    let (status, refused) = invalidate(&client, "one", "/c").await;
    assert_eq!(status, 400);
    assert!(refused.contains("<Code>InvalidationBatchAlreadyExists</Code>"), "{refused}");
    let (status, got) =
        send(&client, &format!("GET /2020-05-31/distribution/E123ABC/invalidation/{id}"), "").await;
    assert_eq!(status, 200);
    assert!(got.contains("<Path>/a&amp;b*</Path>") && got.contains("<Status>Completed</Status>"), "{got}");
    invalidate(&client, "two", "/d").await;
    let (_, page) = send(&client, "GET /2020-05-31/distribution/E123ABC/invalidation?MaxItems=1", "").await;
    assert!(
        page.contains("<IsTruncated>true</IsTruncated>") && !page.contains(id.as_str()),
        "the newest invalidation is first: {page}"
    );
    let marker = page.split("<NextMarker>").nth(1).and_then(|rest| rest.split('<').next()).unwrap();
    let next = format!("GET /2020-05-31/distribution/E123ABC/invalidation?MaxItems=1&Marker={marker}");
    let (_, page) = send(&client, &next, "").await;
    assert!(page.contains("<IsTruncated>false</IsTruncated>") && page.contains(id.as_str()), "{page}");
}

#[tokio::test]
async fn too_many_or_invalid_invalidations_get_errors_of_cloudfront() {
    let env = DaemonTestEnv::new();
    let client = env.start_new().await;
    client.set_invalidation_duration(3_600).await.unwrap();
    for n in 0..15 {
        assert_eq!(invalidate(&client, &format!("r{n}"), "/*").await.0, 201);
    }
    let (status, refused) = invalidate(&client, "more", "/*").await;
    assert_eq!(status, 400);
    assert!(refused.contains("<Code>TooManyInvalidationsInProgress</Code>"), "{refused}");
    client.set_invalidation_duration(0).await.unwrap();
    assert_eq!(invalidate(&client, "more", "/*").await.0, 201);
    for (line, body, status, code) in [
        ("POST /2020-05-31/distribution/E123ABC/invalidation", "", 400, "MissingBody"),
        ("POST /2020-05-31/distribution/nothing/invalidation", "", 404, "NoSuchDistribution"),
        ("GET /2020-05-31/distribution/E123ABC/invalidation/I0", "", 404, "NoSuchInvalidation"),
        ("GET /2020-05-31/distribution", "", 404, "UnknownOperationException"),
    ] {
        let (found, response) = send(&client, line, body).await;
        assert_eq!(found, status, "{line}");
        assert!(response.contains(&format!("<Code>{code}</Code>")), "{line}: {response}");
    }
}

//! The gateway over real connections, with a real function behind it.

use bytes::Bytes;
use hitctl_engine::Value;
use hitctl_local::gateway::{Door, FIRST_PORT};
use hitctl_resources::{FunctionUrlSpec, Throttle};
use serde_json::json;

use crate::harness::{API, Client, Cloud, api, get, until};

#[tokio::test]
async fn a_request_becomes_an_event_and_an_answer() {
    let cloud = Cloud::new();
    let port = cloud.serve(|_| {}).await;
    let answer = get(port, "/counter?path=%2Fx&a=1").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert_eq!(answer.header("apigw-requestid").unwrap().len(), 16);
    let event = answer.json();
    assert_eq!(event["requestContext"]["requestId"], answer.header("apigw-requestid").unwrap());
    assert_eq!(event["requestContext"]["apiId"], API);
    assert_eq!(event["requestContext"]["http"]["sourceIp"], "127.0.0.1");
    assert_eq!(event["routeKey"], "ANY /{proxy+}");
    assert_eq!(event["pathParameters"], json!({"proxy": "counter"}));
    assert_eq!(event["queryStringParameters"], json!({"path": "/x", "a": "1"}));
    assert_eq!(event["headers"]["x-forwarded-port"], port.to_string());
}

#[tokio::test]
async fn one_connection_serves_many_requests_and_a_head_has_no_body() {
    let cloud = Cloud::new();
    let port = cloud.serve(|_| {}).await;
    let mut client = Client::connect(port).await;
    client.send("HEAD /a HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let head = client.answer(true).await;
    assert_eq!(head.status, 200);
    assert!(head.header("content-length").unwrap().parse::<u32>().unwrap() > 100);
    client
        .send("POST /a HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\nhello")
        .await;
    let posted = client.answer(false).await.json();
    assert_eq!((posted["body"].as_str(), posted["isBase64Encoded"].as_bool()), (Some("hello"), Some(false)));
    client.send("PUT /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n").await;
    assert_eq!(client.answer(false).await.json()["body"], "abcde");
}

#[tokio::test]
async fn each_failure_has_its_status() {
    let cloud = Cloud::new();
    let port = cloud
        .serve(|spec| {
            spec.routes = ["ANY /counter".to_owned()].into();
        })
        .await;
    for (path, status, message) in [
        ("/", 404, "Not Found"),
        ("/counter/", 404, "Not Found"),
        ("/.env", 404, "Not Found"),
        ("/counter?do=nonsense", 500, "Internal Server Error"),
        ("/counter?do=status:7", 500, "Internal Server Error"),
        ("/counter?do=error", 500, "Internal Server Error"),
        ("/counter?do=crash:1", 500, "Internal Server Error"),
    ] {
        let answer = get(port, path).await;
        assert_eq!((answer.status, answer.json()), (status, json!({ "message": message })), "{path}");
        assert!(answer.header("apigw-requestid").is_some(), "{path}");
    }
    assert_eq!(get(port, "/counter?do=status:418").await.status, 418);
    assert_eq!(get(port, "/counter?do=status:204").await.status, 204);
}

#[tokio::test]
async fn without_permission_or_function_it_is_500() {
    let cloud = Cloud::new();
    let port = cloud.serve(|_| {}).await;
    assert_eq!(get(port, "/a").await.status, 200);
    cloud.gateway.forbid(API, "f");
    assert_eq!(get(port, "/a").await.status, 500);
    cloud.gateway.permit(API, "other");
    assert_eq!(get(port, "/a").await.status, 500);
    cloud.gateway.permit(API, "f");
    assert_eq!(get(port, "/a").await.status, 200);
    cloud.runner.delete("f").await;
    assert_eq!(get(port, "/a").await.status, 500);
}

#[tokio::test]
async fn a_function_at_its_limit_is_503() {
    let cloud = Cloud::new();
    let port = cloud.serve(|_| {}).await;
    cloud.deploy(|spec| spec.reserved_concurrency = Some(1)).await;
    get(port, "/warm").await;
    let mut busy = Client::connect(port).await;
    busy.send("GET /a?do=sleep:1500 HTTP/1.1\r\nhost: x\r\n\r\n").await;
    until(|| cloud.runner.idle_processes("f") == 0).await;
    let refused = get(port, "/a").await;
    assert_eq!((refused.status, refused.json()), (503, json!({"message": "Service Unavailable"})));
    assert_eq!(busy.answer(false).await.status, 200);
    assert_eq!(get(port, "/a").await.status, 200);
}

#[tokio::test]
async fn the_stage_throttles() {
    let cloud = Cloud::new();
    let port = cloud.serve(|spec| spec.throttle = Throttle { rate_per_second: 0.001, burst: 3 }).await;
    let mut client = Client::connect(port).await;
    for expected in [200, 200, 200, 429] {
        assert_eq!(client.get("/a", "").await.status, expected);
    }
    let limited = client.get("/a", "origin: https://a.example\r\n").await;
    assert_eq!(limited.json(), json!({"message": "Too Many Requests"}));
    assert_eq!(limited.header("access-control-allow-origin"), Some("*"));
    assert_eq!(client.get("/", "").await.status, 404, "no route, no token");
    let mut spec = api();
    spec.throttle = Throttle { rate_per_second: 0.001, burst: 1 };
    assert_eq!(cloud.gateway.put("api", API, Door::Api(&spec), None).await.unwrap(), port);
    assert_eq!(client.get("/a", "").await.status, 200, "new settings, new bucket, same connection");
    assert_eq!(client.get("/a", "").await.status, 429);
}

#[tokio::test]
async fn bodies_and_heads_have_limits() {
    let cloud = Cloud::new();
    let port = cloud.serve(|_| {}).await;
    let sent = |length: usize| async move {
        let mut client = Client::connect(port).await;
        let head = format!(
            "POST /a HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\n\r\n"
        );
        client.send(head).await;
        client.send(vec![b'x'; length]).await;
        client.answer(false).await
    };
    assert_eq!(sent(1024 * 1024).await.status, 200);
    // Between Lambda's 6 MB and the gateway's 10 MB; exactly, and above, the gateway's.
    for length in [7 * 1024 * 1024, 10 * 1024 * 1024, 10 * 1024 * 1024 + 1, 20 * 1024 * 1024] {
        let answer = sent(length).await;
        let told = (answer.status, answer.json());
        assert_eq!(told, (413, json!({"message": "Request Entity Too Large"})), "{length}");
    }
    let mut client = Client::connect(port).await;
    assert_eq!(client.get("/a", &format!("x-long: {}\r\n", "x".repeat(9_000))).await.status, 200);
    for headers in [format!("x-long: {}\r\n", "x".repeat(11_000)), "a: b\r\n".repeat(2_000)] {
        let answer = Client::connect(port).await.get("/a", &headers).await;
        assert_eq!(answer.status, 431);
    }
    assert_eq!(Client::connect(port).await.get(&format!("/a?{}", "x".repeat(11_000)), "").await.status, 431);
    let mut client = Client::connect(port).await;
    client.send(format!("GET /a HTTP/1.1\r\nx: {}", "x".repeat(100_000))).await;
    assert_eq!(client.answer(true).await.status, 431);
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn broken_http_is_400_and_closes() {
    let cloud = Cloud::new();
    let port = cloud.serve(|_| {}).await;
    for request in
        ["hello\r\n\r\n", "GET /a b HTTP/1.1\r\n\r\n", "POST /a HTTP/1.1\r\ncontent-length: x\r\n\r\n"]
    {
        let mut client = Client::connect(port).await;
        client.send(request).await;
        assert_eq!(client.answer(true).await.status, 400, "{request}");
        assert!(client.is_closed().await);
    }
    assert_eq!(get(port, "/a").await.status, 200);
}

#[tokio::test]
async fn preflights_are_answered_by_the_gateway() {
    let cloud = Cloud::new();
    let port = cloud
        .serve(|spec| {
            spec.routes = ["GET /a".to_owned()].into();
            spec.cors.allow_origins = ["https://a.example".to_owned()].into();
            spec.cors.allow_methods = ["GET".to_owned(), "POST".to_owned()].into();
            spec.cors.expose_headers = ["hitctl-ignored".to_owned()].into();
        })
        .await;
    let preflight = |path: &'static str, origin: &'static str| async move {
        let mut client = Client::connect(port).await;
        client
            .send(format!(
                "OPTIONS {path} HTTP/1.1\r\nhost: x\r\norigin: {origin}\r\naccess-control-request-method: GET\r\n\r\n"
            ))
            .await;
        client.answer(false).await
    };
    for path in ["/a", "/no/route"] {
        let answer = preflight(path, "https://a.example").await;
        assert_eq!((answer.status, answer.body.as_str()), (204, ""));
        assert_eq!(answer.header("access-control-allow-origin"), Some("https://a.example"));
        assert_eq!(answer.header("access-control-allow-methods"), Some("GET,POST"));
        assert_eq!(answer.header("access-control-allow-headers"), Some("content-type"));
        assert_eq!(answer.header("access-control-max-age"), Some("300"));
    }
    let answer = preflight("/a", "https://evil.example").await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (204, None));
    assert!(cloud.log().is_empty(), "no invocation for a preflight");

    let mut client = Client::connect(port).await;
    let answer = client.get("/a?do=cors", "origin: https://a.example\r\n").await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://a.example"));
    assert_eq!(answer.header("access-control-expose-headers"), Some("hitctl-ignored"));
    assert_eq!(answer.header("access-control-allow-methods"), None);
    let answer = client.get("/a?do=cors", "").await;
    assert_eq!(answer.header("access-control-allow-origin"), None, "the function's own is ignored");
    let answer = client.get("/no", "origin: https://a.example\r\n").await;
    assert_eq!(
        (answer.status, answer.header("access-control-allow-origin")),
        (404, Some("https://a.example"))
    );
    client.send("OPTIONS /a HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(client.answer(false).await.status, 404, "no preflight, no route");
}

#[tokio::test]
async fn ports_are_taken_in_order_and_kept() {
    let cloud = Cloud::new();
    let port = cloud.serve(|_| {}).await;
    assert!(port >= FIRST_PORT);
    let second = cloud.gateway.put("second", "api2", Door::Api(&api()), Some(port)).await.unwrap();
    assert_ne!(second, port, "taken");
    assert_eq!(
        cloud.gateway.put("api", API, Door::Api(&api()), Some(second)).await.unwrap(),
        port,
        "a running API keeps its port"
    );
    cloud.gateway.delete("api").await;
    assert!(tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err());
    let mut bad = api();
    bad.routes.insert("GET".to_owned());
    assert_eq!(cloud.gateway.put("bad", "x", Door::Api(&bad), None).await.unwrap_err().code, "bad_route");
}

#[tokio::test]
async fn a_function_url_takes_every_path_and_needs_no_permission_of_an_api() {
    let cloud = Cloud::new();
    cloud.deploy(|_| {}).await;
    let spec = FunctionUrlSpec {
        function_name: Value::from("f".to_owned()),
        qualifier: None,
        auth_type: "NONE".to_owned(),
        allowed_actions: FunctionUrlSpec::ACTIONS.map(str::to_owned).into(),
        cors: api().cors,
    };
    let port = cloud.gateway.put("url", "url-f", Door::Url(&spec), None).await.unwrap();
    let answer = get(port, "/any/path?a=1").await;
    assert_eq!(answer.status, 200);
    let event = answer.json();
    assert_eq!((&event["routeKey"], &event["rawPath"]), (&json!("$default"), &json!("/any/path")));
    assert_eq!(get(port, "/?do=error").await.status, 502, "an HTTP API would say 500");
}

#[tokio::test]
async fn stopping_answers_open_requests() {
    let cloud = Cloud::new();
    let port = cloud.serve(|_| {}).await;
    get(port, "/warm").await;
    let mut idle = Client::connect(port).await;
    assert_eq!(idle.get("/a", "").await.status, 200);
    let mut open = Client::connect(port).await;
    open.send("GET /a?do=sleep:300 HTTP/1.1\r\nhost: x\r\n\r\n").await;
    until(|| cloud.runner.idle_processes("f") == 0).await;
    cloud.gateway.stop().await;
    assert_eq!(open.answer(false).await.status, 200);
    assert!(open.is_closed().await && idle.is_closed().await);
    assert!(cloud.runner.invoke("f", Bytes::from_static(b"{}")).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_half_open_connections_keep_nobody_out() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    // Both ends of all connections are in this process.
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(16_384, |maximum| maximum.min(16_384));
    setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum }).unwrap();
    let cloud = Cloud::new();
    let port = cloud.serve(|_| {}).await;
    assert_eq!(get(port, "/a").await.status, 200);
    let mut half_open = Vec::new();
    for n in 0..2000.min(wanted / 3) {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        if n % 2 == 0 {
            stream.write_all(b"GET /a HTTP/1.1\r\nhost: x\r\nx-slow: ").await.unwrap();
        }
        half_open.push(stream);
    }
    // Until here a client waited until those before it had spent their 30 seconds.
    let answered = tokio::time::timeout(std::time::Duration::from_secs(8), get(port, "/a")).await;
    assert_eq!(answered.unwrap().status, 200);
    // Who never sends a whole head is cut off.
    let mut first = half_open.swap_remove(0);
    let read = tokio::time::timeout(std::time::Duration::from_secs(25), first.read(&mut [0; 64])).await;
    assert!(matches!(read, Ok(Ok(0) | Err(_))), "{read:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_under_load_lose_no_request() {
    let cloud = Cloud::new();
    let port = cloud.serve(|_| {}).await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let stopped = stopped.clone();
            tokio::spawn(async move {
                let mut client = Client::connect(port).await;
                let mut served = 0;
                while !*stopped.borrow() {
                    assert_eq!(client.get("/counter?path=/", "").await.status, 200);
                    served += 1;
                }
                served
            })
        })
        .collect();
    for number in 0..20 {
        let mut spec = api();
        spec.cors.max_age_s = number;
        spec.routes.insert(format!("GET /route{number}"));
        assert_eq!(cloud.gateway.put("api", API, Door::Api(&spec), None).await.unwrap(), port);
        cloud.deploy(|spec| spec.memory_mb = 128 + number).await;
        cloud.invoke("{}").await;
    }
    stop.send(true).unwrap();
    let mut served = 0;
    for caller in callers {
        served += caller.await.unwrap();
    }
    assert!(served >= 4, "{served}");
}

//! Tests of the gateway over real connections, with a real function.

use bytes::Bytes;
use hitctl_engine::SpecValue;
use hitctl_local::gateway::{FIRST_PORT, FrontendSpec};
use hitctl_resources::{FunctionUrlSpec, Throttle};
use serde_json::json;

use crate::harness::{API, FunctionTestEnv, HttpConnection, api, get, wait_until};

#[tokio::test]
async fn request_becomes_event_and_response() {
    let env = FunctionTestEnv::new();
    let port = env.serve(|_| {}).await;
    let response = get(port, "/counter?path=%2Fx&a=1").await;
    assert_eq!((response.status, response.header("content-type")), (200, Some("application/json")));
    assert_eq!(response.header("apigw-requestid").unwrap().len(), 16);
    let event = response.json();
    assert_eq!(event["requestContext"]["requestId"], response.header("apigw-requestid").unwrap());
    assert_eq!(event["requestContext"]["apiId"], API);
    assert_eq!(event["requestContext"]["http"]["sourceIp"], "127.0.0.1");
    assert_eq!(event["routeKey"], "ANY /{proxy+}");
    assert_eq!(event["pathParameters"], json!({"proxy": "counter"}));
    assert_eq!(event["queryStringParameters"], json!({"path": "/x", "a": "1"}));
    assert_eq!(event["headers"]["x-forwarded-port"], port.to_string());
}

#[tokio::test]
async fn connection_serves_many_requests_and_head_has_no_body() {
    let env = FunctionTestEnv::new();
    let port = env.serve(|_| {}).await;
    let mut connection = HttpConnection::connect(port).await;
    connection.send("HEAD /a HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let head = connection.read_response(true).await;
    assert_eq!(head.status, 200);
    assert!(head.header("content-length").unwrap().parse::<u32>().unwrap() > 100);
    connection
        .send("POST /a HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\nhello")
        .await;
    let event = connection.read_response(false).await.json();
    assert_eq!((event["body"].as_str(), event["isBase64Encoded"].as_bool()), (Some("hello"), Some(false)));
    connection.send("PUT /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n").await;
    assert_eq!(connection.read_response(false).await.json()["body"], "abcde");
}

#[tokio::test]
async fn failure_has_specific_status_and_message() {
    let env = FunctionTestEnv::new();
    let port = env
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
        let response = get(port, path).await;
        assert_eq!((response.status, response.json()), (status, json!({ "message": message })), "{path}");
        assert!(response.header("apigw-requestid").is_some(), "{path}");
    }
    assert_eq!(get(port, "/counter?do=status:418").await.status, 418);
    assert_eq!(get(port, "/counter?do=status:204").await.status, 204);
}

#[tokio::test]
async fn request_without_permission_or_function_gets_500() {
    let env = FunctionTestEnv::new();
    let port = env.serve(|_| {}).await;
    assert_eq!(get(port, "/a").await.status, 200);
    env.gateway.revoke(API, "f");
    assert_eq!(get(port, "/a").await.status, 500);
    env.gateway.permit(API, "other");
    assert_eq!(get(port, "/a").await.status, 500);
    env.gateway.permit(API, "f");
    assert_eq!(get(port, "/a").await.status, 200);
    env.runner.delete("f").await;
    assert_eq!(get(port, "/a").await.status, 500);
}

#[tokio::test]
async fn request_to_function_at_concurrency_limit_gets_503() {
    let env = FunctionTestEnv::new();
    let port = env.serve(|_| {}).await;
    env.deploy(|spec| spec.reserved_concurrency = Some(1)).await;
    get(port, "/warm").await;
    let mut busy = HttpConnection::connect(port).await;
    busy.send("GET /a?do=sleep:1500 HTTP/1.1\r\nhost: x\r\n\r\n").await;
    wait_until(|| env.runner.idle_processes("f") == 0).await;
    let refused = get(port, "/a").await;
    assert_eq!((refused.status, refused.json()), (503, json!({"message": "Service Unavailable"})));
    assert_eq!(busy.read_response(false).await.status, 200);
    assert_eq!(get(port, "/a").await.status, 200);
}

#[tokio::test]
async fn requests_over_throttle_get_429() {
    let env = FunctionTestEnv::new();
    let port = env.serve(|spec| spec.throttle = Throttle { rate_per_second: 0.001, burst: 3 }).await;
    let mut connection = HttpConnection::connect(port).await;
    for expected in [200, 200, 200, 429] {
        assert_eq!(connection.get("/a", "").await.status, expected);
    }
    let limited = connection.get("/a", "origin: https://a.example\r\n").await;
    assert_eq!(limited.json(), json!({"message": "Too Many Requests"}));
    assert_eq!(limited.header("access-control-allow-origin"), Some("*"));
    assert_eq!(connection.get("/", "").await.status, 404, "a request without a route takes no token");
    let mut spec = api();
    spec.throttle = Throttle { rate_per_second: 0.001, burst: 1 };
    assert_eq!(env.gateway.put("api", API, FrontendSpec::Api(&spec), None).await.unwrap(), port);
    assert_eq!(connection.get("/a", "").await.status, 200, "new settings have a new bucket");
    assert_eq!(connection.get("/a", "").await.status, 429);
}

#[tokio::test]
async fn request_over_body_or_head_limit_is_refused() {
    let env = FunctionTestEnv::new();
    let port = env.serve(|_| {}).await;
    let send_body = |length: usize| async move {
        let mut connection = HttpConnection::connect(port).await;
        let head = format!(
            "POST /a HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\n\r\n"
        );
        connection.send(head).await;
        connection.send(vec![b'x'; length]).await;
        connection.read_response(false).await
    };
    assert_eq!(send_body(1024 * 1024).await.status, 200);
    // The first size is between Lambda's 6 MB and the gateway's 10 MB, the second is the gateway's limit, the
    // others exceed it.
    for length in [7 * 1024 * 1024, 10 * 1024 * 1024, 10 * 1024 * 1024 + 1, 20 * 1024 * 1024] {
        let response = send_body(length).await;
        let result = (response.status, response.json());
        assert_eq!(result, (413, json!({"message": "Request Entity Too Large"})), "{length}");
    }
    let mut connection = HttpConnection::connect(port).await;
    assert_eq!(connection.get("/a", &format!("x-long: {}\r\n", "x".repeat(9_000))).await.status, 200);
    for headers in [format!("x-long: {}\r\n", "x".repeat(11_000)), "a: b\r\n".repeat(2_000)] {
        let response = HttpConnection::connect(port).await.get("/a", &headers).await;
        assert_eq!(response.status, 431);
    }
    assert_eq!(
        HttpConnection::connect(port).await.get(&format!("/a?{}", "x".repeat(11_000)), "").await.status,
        431
    );
    let mut connection = HttpConnection::connect(port).await;
    connection.send(format!("GET /a HTTP/1.1\r\nx: {}", "x".repeat(100_000))).await;
    assert_eq!(connection.read_response(true).await.status, 431);
    assert!(connection.is_closed().await);
}

#[tokio::test]
async fn invalid_http_gets_400_and_closes_connection() {
    let env = FunctionTestEnv::new();
    let port = env.serve(|_| {}).await;
    for request in
        ["hello\r\n\r\n", "GET /a b HTTP/1.1\r\n\r\n", "POST /a HTTP/1.1\r\ncontent-length: x\r\n\r\n"]
    {
        let mut connection = HttpConnection::connect(port).await;
        connection.send(request).await;
        assert_eq!(connection.read_response(true).await.status, 400, "{request}");
        assert!(connection.is_closed().await);
    }
    assert_eq!(get(port, "/a").await.status, 200);
}

#[tokio::test]
async fn preflight_is_answered_without_function() {
    let env = FunctionTestEnv::new();
    let port = env
        .serve(|spec| {
            spec.routes = ["GET /a".to_owned()].into();
            spec.cors.allow_origins = ["https://a.example".to_owned()].into();
            spec.cors.allow_methods = ["GET".to_owned(), "POST".to_owned()].into();
            spec.cors.expose_headers = ["hitctl-ignored".to_owned()].into();
        })
        .await;
    let preflight = |path: &'static str, origin: &'static str| async move {
        let mut connection = HttpConnection::connect(port).await;
        connection
            .send(format!(
                "OPTIONS {path} HTTP/1.1\r\nhost: x\r\norigin: {origin}\r\naccess-control-request-method: GET\r\n\r\n"
            ))
            .await;
        connection.read_response(false).await
    };
    for path in ["/a", "/no/route"] {
        let response = preflight(path, "https://a.example").await;
        assert_eq!((response.status, response.body.as_str()), (204, ""));
        assert_eq!(response.header("access-control-allow-origin"), Some("https://a.example"));
        assert_eq!(response.header("access-control-allow-methods"), Some("GET,POST"));
        assert_eq!(response.header("access-control-allow-headers"), Some("content-type"));
        assert_eq!(response.header("access-control-max-age"), Some("300"));
    }
    let response = preflight("/a", "https://evil.example").await;
    assert_eq!((response.status, response.header("access-control-allow-origin")), (204, None));
    assert!(env.log().is_empty(), "no invocation for a preflight");

    let mut connection = HttpConnection::connect(port).await;
    let response = connection.get("/a?do=cors", "origin: https://a.example\r\n").await;
    assert_eq!(response.header("access-control-allow-origin"), Some("https://a.example"));
    assert_eq!(response.header("access-control-expose-headers"), Some("hitctl-ignored"));
    assert_eq!(response.header("access-control-allow-methods"), None);
    let response = connection.get("/a?do=cors", "").await;
    assert_eq!(response.header("access-control-allow-origin"), None, "the header of the function is removed");
    let response = connection.get("/no", "origin: https://a.example\r\n").await;
    assert_eq!(
        (response.status, response.header("access-control-allow-origin")),
        (404, Some("https://a.example"))
    );
    connection.send("OPTIONS /a HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(
        connection.read_response(false).await.status,
        404,
        "it is not a preflight, and no route matches"
    );
}

#[tokio::test]
async fn running_api_keeps_its_port() {
    let env = FunctionTestEnv::new();
    let port = env.serve(|_| {}).await;
    assert!(port >= FIRST_PORT);
    let second = env.gateway.put("second", "api2", FrontendSpec::Api(&api()), Some(port)).await.unwrap();
    assert_ne!(second, port, "the port is in use");
    assert_eq!(
        env.gateway.put("api", API, FrontendSpec::Api(&api()), Some(second)).await.unwrap(),
        port,
        "a running API keeps its port"
    );
    env.gateway.delete("api").await;
    assert!(tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err());
    let mut bad = api();
    bad.routes.insert("GET".to_owned());
    assert_eq!(
        env.gateway.put("bad", "x", FrontendSpec::Api(&bad), None).await.unwrap_err().code,
        "bad_route"
    );
}

#[tokio::test]
async fn function_url_accepts_every_path_without_api_permission() {
    let env = FunctionTestEnv::new();
    env.deploy(|_| {}).await;
    let spec = FunctionUrlSpec {
        function_name: SpecValue::from("f".to_owned()),
        qualifier: None,
        auth_type: "NONE".to_owned(),
        allowed_actions: FunctionUrlSpec::ACTIONS.map(str::to_owned).into(),
        cors: api().cors,
    };
    let port = env.gateway.put("url", "url-f", FrontendSpec::Url(&spec), None).await.unwrap();
    let response = get(port, "/any/path?a=1").await;
    assert_eq!(response.status, 200);
    let event = response.json();
    assert_eq!((&event["routeKey"], &event["rawPath"]), (&json!("$default"), &json!("/any/path")));
    assert_eq!(get(port, "/?do=error").await.status, 502, "an HTTP API would return 500");
}

#[tokio::test]
async fn stop_completes_open_requests() {
    let env = FunctionTestEnv::new();
    let port = env.serve(|_| {}).await;
    get(port, "/warm").await;
    let mut idle = HttpConnection::connect(port).await;
    assert_eq!(idle.get("/a", "").await.status, 200);
    let mut open = HttpConnection::connect(port).await;
    open.send("GET /a?do=sleep:300 HTTP/1.1\r\nhost: x\r\n\r\n").await;
    wait_until(|| env.runner.idle_processes("f") == 0).await;
    env.gateway.stop().await;
    assert_eq!(open.read_response(false).await.status, 200);
    assert!(open.is_closed().await && idle.is_closed().await);
    assert!(env.runner.invoke("f", Bytes::from_static(b"{}")).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn half_open_connections_do_not_block_other_clients() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    // Both ends of all connections are in this process.
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(16_384, |maximum| maximum.min(16_384));
    setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum }).unwrap();
    let env = FunctionTestEnv::new();
    let port = env.serve(|_| {}).await;
    assert_eq!(get(port, "/a").await.status, 200);
    let mut half_open = Vec::new();
    for n in 0..2000.min(wanted / 3) {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        if n % 2 == 0 {
            stream.write_all(b"GET /a HTTP/1.1\r\nhost: x\r\nx-slow: ").await.unwrap();
        }
        half_open.push(stream);
    }
    // In an earlier version, a client had to wait until all previous connections had timed out after 30 seconds.
    let result = tokio::time::timeout(std::time::Duration::from_secs(8), get(port, "/a")).await;
    assert_eq!(result.unwrap().status, 200);
    // A client that never sends a whole head is disconnected.
    let mut first = half_open.swap_remove(0);
    let read = tokio::time::timeout(std::time::Duration::from_secs(25), first.read(&mut [0; 64])).await;
    assert!(matches!(read, Ok(Ok(0) | Err(_))), "{read:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn api_changes_under_load_lose_no_request() {
    let env = FunctionTestEnv::new();
    let port = env.serve(|_| {}).await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let stopped = stopped.clone();
            tokio::spawn(async move {
                let mut connection = HttpConnection::connect(port).await;
                let mut served = 0;
                while !*stopped.borrow() {
                    assert_eq!(connection.get("/counter?path=/", "").await.status, 200);
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
        assert_eq!(env.gateway.put("api", API, FrontendSpec::Api(&spec), None).await.unwrap(), port);
        env.deploy(|spec| spec.memory_mb = 128 + number).await;
        env.invoke("{}").await;
    }
    stop.send(true).unwrap();
    let mut served = 0;
    for caller in callers {
        served += caller.await.unwrap();
    }
    assert!(served >= 4, "{served}");
}

//! Tests of TLS against a local server: which certificates are trusted, and that a connection is kept.

use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use hit_counter::hit::{CountSummary, Hit};
use hit_counter::moment::Moment;
use hit_counter::net::{Endpoint, Tls};
use hit_counter::path::normalise;
use hit_counter::sigv4::Signer;
use hit_counter::store::{AddResult, CounterStore, DynamoDbStore, PathAdmission, TableConfig, VisitorTable};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use crate::fake::{BootstrapProcess, environment, json_response, read_request};

const NOW: Moment = Moment::from_millis(1_789_898_400_000);

/// Starts a DynamoDB behind TLS for the name `localhost` that serves one connection after the other.
///
/// A hit's response contains the number of requests on its connection as `hits`, and the number of
/// connections as today's count.
fn server() -> (SocketAddr, CertificateDer<'static>) {
    let generated = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let certificate = generated.cert.der().clone();
    let key = PrivateKeyDer::try_from(generated.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for (number, stream) in listener.incoming().map_while(Result::ok).enumerate() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut reader = BufReader::new(StreamOwned::new(connection, stream));
            let mut hits = 0;
            while read_request(&mut reader).is_some() {
                hits += 1;
                let body = format!(
                    r#"{{"Attributes":{{"hits":{{"N":"{hits}"}},"{}":{{"N":"{}"}}}}}}"#,
                    NOW.day().attribute(),
                    number + 1
                );
                if reader.get_mut().write_all(&json_response(200, &body, "")).is_err() {
                    break;
                }
            }
        }
    });
    (address, certificate)
}

fn store(address: SocketAddr, tls: Tls) -> DynamoDbStore {
    store_with(address, tls, None)
}

fn store_with(address: SocketAddr, tls: Tls, visitor_table: Option<VisitorTable>) -> DynamoDbStore {
    let endpoint = Endpoint::parse(&format!("https://localhost:{}", address.port())).unwrap();
    let credentials = ("AKID".to_owned(), "secret".to_owned(), None);
    DynamoDbStore::new(
        endpoint,
        tls,
        TableConfig { counts: "hits-test".to_owned(), visitor_table, dedup_table: None, shards: 1 },
        Signer::new(credentials, "r".to_owned(), "dynamodb"),
        || NOW,
    )
}

#[test]
fn hits_use_the_connection_opened_by_warm_up() {
    let (address, certificate) = server();
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let mut store = store(address, Tls::with_roots(roots).unwrap());
    store.set_request_deadline(Duration::from_secs(10));
    store.warm_up().unwrap();
    for hits in 1..=3 {
        store.set_request_deadline(Duration::from_secs(10));
        let hit = Hit::one(normalise("/x").unwrap(), NOW);
        assert_eq!(
            store.add(&hit, PathAdmission::Open),
            Ok(AddResult::Counted(CountSummary { hits, today: 1, ..CountSummary::default() }))
        );
    }
}

#[test]
fn salt_is_loaded_by_warm_up_over_the_connection_of_the_hits() {
    let (address, certificate) = server();
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let visitor_table = VisitorTable { table: "hits-test-seen".to_owned(), address_retention_days: None };
    let mut store = store_with(address, Tls::with_roots(roots).unwrap(), Some(visitor_table));
    store.set_request_deadline(Duration::from_secs(10));
    store.warm_up().unwrap();
    // This server returns no salt, which causes a warning. The test needs only the request.
    assert_eq!(store.take_warnings().len(), 1);
    store.set_request_deadline(Duration::from_secs(10));
    let hit = Hit::one(normalise("/x").unwrap(), NOW);
    // The second request on the first connection.
    let counts = CountSummary { hits: 2, today: 1, ..CountSummary::default() };
    assert_eq!(store.add(&hit, PathAdmission::Open), Ok(AddResult::Counted(counts)));
}

#[test]
fn untrusted_server_is_rejected() {
    let (address, _) = server();
    let why = store(address, Tls::default()).warm_up().unwrap_err().to_string();
    assert!(why.contains("invalid peer certificate"), "{why}");
}

#[test]
fn ca_bundle_replaces_the_default_roots() {
    let (address, certificate) = server();
    let dir = std::env::temp_dir().join(format!("hit-counter-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.join(name);
        std::fs::write(&path, text).unwrap();
        Tls::with_ca_bundle(path.to_string_lossy().into_owned())
    };
    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let other =
        store(address, file("other.pem", &pem_of(other.cert.der()))).warm_up().unwrap_err().to_string();
    assert!(other.contains("invalid peer certificate"), "{other}");
    let none = store(address, file("none.pem", "no certificate\n")).warm_up().unwrap_err().to_string();
    assert!(
        none.contains("failed to read the AWS_CA_BUNDLE ") && none.contains("it contains no certificate"),
        "{none}"
    );
    let missing = Tls::with_ca_bundle("/does/not/exist.pem".to_owned());
    let missing = store(address, missing).warm_up().unwrap_err().to_string();
    assert!(missing.contains("failed to read the AWS_CA_BUNDLE /does/not/exist.pem: "), "{missing}");
    drop(file("root.pem", &pem_of(&certificate)));
    let mut environment = environment(&format!("https://localhost:{}", address.port()));
    environment.push(("AWS_CA_BUNDLE", dir.join("root.pem").to_string_lossy().into_owned()));
    assert_eq!(BootstrapProcess::start_with(environment, 30_000).get("/counter", "path=/x").0, 200);
    std::fs::remove_dir_all(&dir).unwrap();
}

fn pem_of(certificate: &CertificateDer<'_>) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::from("-----BEGIN CERTIFICATE-----");
    for (number, group) in certificate.chunks(3).enumerate() {
        if number % 16 == 0 {
            text.push('\n');
        }
        let bits =
            group.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for at in 0..4 {
            let digit = bits >> (18 - 6 * at) & 63;
            text.push(if at <= group.len() { char::from(DIGITS[digit as usize]) } else { '=' });
        }
    }
    text + "\n-----END CERTIFICATE-----\n"
}

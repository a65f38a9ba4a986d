//! TLS connections. The configuration is created for the first TLS connection, so that plain endpoints cost
//! nothing.

use std::fmt;
use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, KeyProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::SigningKey;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// The TLS client configuration: its root certificates, and sessions that later connections resume.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    config: Option<Arc<ClientConfig>>,
    bundle: Option<String>,
}

pub(super) type TlsStream = StreamOwned<ClientConnection, TcpStream>;

impl Tls {
    /// Creates a configuration that trusts the given roots instead of Mozilla's.
    pub fn with_roots(roots: RootCertStore) -> Result<Self, String> {
        Ok(Self { config: Some(configure(roots)?), bundle: None })
    }

    /// Creates a configuration that trusts the roots in the PEM file at `path` instead of Mozilla's, as
    /// `AWS_CA_BUNDLE` does for AWS's own clients. The file is read for the first connection.
    pub fn with_ca_bundle(path: String) -> Self {
        Self { config: None, bundle: Some(path) }
    }

    /// Performs the handshake over `stream`, whose timeouts limit each step.
    pub(super) fn connect(&mut self, host: &str, mut stream: TcpStream) -> io::Result<TlsStream> {
        let config = if let Some(config) = &self.config {
            Arc::clone(config)
        } else {
            let roots = match &self.bundle {
                Some(path) => read_bundle(path)?,
                None => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
            };
            let config = configure(roots).map_err(io::Error::other)?;
            self.config = Some(Arc::clone(&config));
            config
        };
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let mut connection = ClientConnection::new(config, name).map_err(io::Error::other)?;
        while connection.is_handshaking() {
            connection.complete_io(&mut stream)?;
        }
        Ok(StreamOwned::new(connection, stream))
    }
}

/// Reads the certificates of a PEM file. A file with an invalid certificate is an error: the function must not
/// trust other roots instead.
fn read_bundle(path: &str) -> io::Result<RootCertStore> {
    let bad =
        |why: &dyn fmt::Display| io::Error::other(format!("failed to read the AWS_CA_BUNDLE {path}: {why}"));
    let pem = std::fs::read(path).map_err(|error| bad(&error))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| bad(&error))?;
        roots.add(certificate).map_err(|error| bad(&error))?;
    }
    if roots.is_empty() { Err(bad(&"it contains no certificate")) } else { Ok(roots) }
}

/// A key provider without keys. The function has no client certificate, so the code for signing with client keys
/// need not be linked.
#[derive(Debug)]
struct NoClientKeys;

impl KeyProvider for NoClientKeys {
    fn load_private_key(&self, _: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, rustls::Error> {
        Err(rustls::Error::General("the function has no client key".to_owned()))
    }
}

fn configure(roots: RootCertStore) -> Result<Arc<ClientConfig>, String> {
    let provider = CryptoProvider { key_provider: &NoClientKeys, ..ring::default_provider() };
    let config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Writes all of `bytes`, encrypted, and passes every byte to the kernel before it returns.
pub(super) fn write(stream: &mut TlsStream, bytes: &[u8]) -> io::Result<()> {
    stream.conn.writer().write_all(bytes)?;
    while stream.conn.wants_write() {
        stream.conn.write_tls(&mut stream.sock)?;
    }
    Ok(())
}

/// Returns whether the peer has sent nothing except TLS messages without data, such as the session tickets after
/// a handshake. The socket must be non-blocking.
pub(super) fn is_quiet(stream: &mut TlsStream) -> bool {
    loop {
        match stream.conn.read_tls(&mut stream.sock) {
            Ok(0) => return false,
            Ok(_) => match stream.conn.process_new_packets() {
                Ok(state) if state.plaintext_bytes_to_read() == 0 && !state.peer_has_closed() => {}
                _ => return false,
            },
            Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
        }
    }
}

//! TLS for those who listen, from PEM files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::{Error, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde::{Deserialize, Serialize};

/// A certificate (with its chain) and its key; who may connect.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// Certificates of authorities: only clients are let in that show a certificate of one of them. None: everybody.
    pub clients: Option<PathBuf>,
}

/// What a listener needs to know.
///
/// # Errors
/// Where a file cannot be read, is not what it should be, or key and certificate do not belong together. `section` is the
/// part of the configuration that names the files.
pub fn load(tls: &Tls, section: &str) -> Result<ServerConfig, String> {
    let unusable = |what: &str, path: &Path, error: &Error| unusable(section, what, path, error);
    let certificates = certificates(&tls.certificate).map_err(|error| unusable("certificate", &tls.certificate, &error))?;
    let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(|error| unusable("key", &tls.key, &error))?;
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("cannot use {section}: {error}"))?;
    let builder = match &tls.clients {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for authority in self::certificates(path).map_err(|error| unusable("clients", path, &error))? {
                roots.add(authority).map_err(|error| format!("cannot use {section}.clients {}: {error}", path.display()))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| format!("cannot use {section}.clients: {error}"))?)
        }
    };
    builder.with_single_cert(certificates, key).map_err(|error| {
        let (certificate, key) = (tls.certificate.display(), tls.key.display());
        format!("cannot use {section}: certificate {certificate} and key {key} do not go together: {error}")
    })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let certificates = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>)?;
    if certificates.is_empty() { Err(Error::NoItemsFound) } else { Ok(certificates) }
}

fn unusable(section: &str, what: &str, path: &Path, error: &Error) -> String {
    let why = match error {
        Error::Io(error) => {
            let text = error.to_string().to_lowercase();
            text.split(" (os error").next().unwrap_or_default().to_owned()
        }
        Error::NoItemsFound => format!("there is no {} in it", if what == "clients" { "certificate" } else { what }),
        other => format!("it is no PEM file: {other}"),
    };
    format!("cannot read {section}.{what} {}: {why}; give a PEM file", path.display())
}

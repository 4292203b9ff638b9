//! TLS, from PEM files.

use std::path::Path;
use std::sync::Arc;

use axum_server::tls_rustls::RustlsConfig;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{Error, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::Tls;

/// # Errors
/// Where a file cannot be read, is not what it should be, or key and certificate do not belong together.
pub(super) fn load(tls: &Tls) -> Result<RustlsConfig, String> {
    let certificates = CertificateDer::pem_file_iter(&tls.certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = certificates.map_err(|error| unusable("certificate", &tls.certificate, &error))?;
    if certificates.is_empty() {
        return Err(unusable("certificate", &tls.certificate, &Error::NoItemsFound));
    }
    let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(|error| unusable("key", &tls.key, &error))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(certificates, key));
    let mut config = config.map_err(|error| {
        let (certificate, key) = (tls.certificate.display(), tls.key.display());
        format!("cannot use server.tls: certificate {certificate} and key {key} do not go together: {error}")
    })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(RustlsConfig::from_config(Arc::new(config)))
}

fn unusable(what: &str, path: &Path, error: &Error) -> String {
    let why = match error {
        Error::Io(error) => {
            let text = error.to_string().to_lowercase();
            text.split(" (os error").next().unwrap_or_default().to_owned()
        }
        Error::NoItemsFound => format!("there is no {what} in it"),
        other => format!("it is no PEM file: {other}"),
    };
    format!("cannot read server.tls.{what} {}: {why}; give a PEM file", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_file_is_said_with_its_name() {
        let directory = tempfile::tempdir().expect("a directory");
        let (certificate, key) = (directory.path().join("cert.pem"), directory.path().join("key.pem"));
        let tls = Tls { certificate: certificate.clone(), key: key.clone() };
        let refusal = || load(&tls).expect_err("unusable");
        assert!(refusal().ends_with("cert.pem: no such file or directory; give a PEM file"), "{}", refusal());
        std::fs::write(&certificate, "no pem").expect("written");
        assert!(refusal().contains("there is no certificate in it"), "{}", refusal());
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        std::fs::write(&certificate, made.cert.pem()).expect("written");
        std::fs::write(&key, rcgen::KeyPair::generate().expect("a key").serialize_pem()).expect("written");
        assert!(refusal().contains("do not go together"), "{}", refusal());
        std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
        assert!(load(&tls).is_ok());
    }
}

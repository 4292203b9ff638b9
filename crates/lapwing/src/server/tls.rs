//! TLS, from PEM files.

use std::sync::Arc;

use axum_server::tls_rustls::RustlsConfig;
use lapwing_source::tls;

use super::Tls;

/// # Errors
/// Where a file cannot be read, is not what it should be, or key and certificate do not belong together.
pub(super) fn load(tls: &Tls) -> Result<RustlsConfig, String> {
    let files = tls::Tls { certificate: tls.certificate.clone(), key: tls.key.clone(), clients: None };
    let mut config = tls::load(&files, "server.tls")?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(RustlsConfig::from_config(Arc::new(config)))
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

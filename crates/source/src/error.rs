use std::fmt;
use std::io;

/// Why a source can not give records: what failed, why, and what to do.
#[derive(Debug)]
pub enum SourceError {
    /// What shall be read is not there, or is nothing that can be read. The text says what to do.
    Input(String),
    /// Reading broke off.
    Read { name: Box<str>, cause: io::Error },
    /// Nothing can listen there.
    Bind { source: &'static str, address: Box<str>, cause: io::Error },
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SourceError::Input(text) => f.write_str(text),
            SourceError::Read { name, cause } => write!(f, "cannot read {name}: {}", Cause(cause)),
            SourceError::Bind { source, address, cause } => {
                write!(f, "cannot bind {source} {address}: {}; {} with sources.{source}.listen", Cause(cause), advice(cause))
            }
        }
    }
}

impl std::error::Error for SourceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            SourceError::Input(_) => None,
            SourceError::Read { cause, .. } | SourceError::Bind { cause, .. } => Some(cause),
        }
    }
}

fn advice(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::AddrInUse => "choose another port",
        io::ErrorKind::PermissionDenied => "use a port above 1024",
        io::ErrorKind::AddrNotAvailable => "use an address of this machine",
        _ => "give host:port",
    }
}

/// An I/O error as the house writes errors: lowercase, without the number of the system call.
pub(crate) struct Cause<'a>(pub(crate) &'a io::Error);

impl fmt::Display for Cause<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        let text = text.split(" (os error").next().unwrap_or(&text);
        let mut characters = text.chars();
        match characters.next() {
            Some(first) => write!(f, "{}{}", first.to_lowercase(), characters.as_str()),
            None => f.write_str("unknown cause"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_says_what_to_do() {
        let error =
            SourceError::Bind { source: "tcp", address: "127.0.0.1:9090".into(), cause: io::Error::from_raw_os_error(98) };
        assert_eq!(
            error.to_string(),
            "cannot bind tcp 127.0.0.1:9090: address already in use; choose another port with sources.tcp.listen"
        );
    }
}

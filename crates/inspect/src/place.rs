use std::fmt;

use serde::Deserialize;

/// Where in a request a value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    Path,
    /// A parameter's name.
    Name,
    /// A parameter's value, of a query, a form or a JSON body.
    Value,
    Agent,
    Referrer,
    /// A body that is no form: XML, a file, JSON as a whole.
    Body,
    /// A body that is XML, as a whole; what its elements and attributes hold are values.
    Xml,
    /// Any other header, a cookie among them.
    Header,
    /// Any other field of a structured log.
    Field,
    /// The request line where it is malformed, and the method.
    Line,
}

impl Place {
    #[must_use]
    pub const fn bit(self) -> u16 {
        1 << self as u16
    }

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Place::Path => "path",
            Place::Name => "parameter name",
            Place::Value => "parameter",
            Place::Agent => "user agent",
            Place::Referrer => "referrer",
            Place::Body => "body",
            Place::Xml => "XML body",
            Place::Header => "header",
            Place::Field => "field",
            Place::Line => "request line",
        }
    }

    /// What an application may take for more than text: everything but the line itself.
    pub const INPUT: &'static [Place] =
        &[Place::Path, Place::Name, Place::Value, Place::Agent, Place::Referrer, Place::Body, Place::Header, Place::Field];
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

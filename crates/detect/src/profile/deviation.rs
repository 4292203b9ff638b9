//! What of a request is not as it was.

/// What was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Check {
    /// No such path.
    Path,
    /// A copy of something that is there (`index.php.bak`), or a path through a file.
    PathOfFile,
    Extension,
    Method,
    Unexpected,
    Missing,
    /// Parameters are missing altogether.
    Bare,
    Value,
    Characters,
    /// Characters that no parameter of the site has.
    SiteCharacters,
    Neighbours,
    Shape,
    Length,
    /// The server answered with another status, or another size, than it does.
    Status,
    Size,
}

impl Check {
    pub(super) const fn rule(self) -> &'static str {
        match self {
            Check::Path => "path",
            Check::PathOfFile => "path-of-file",
            Check::Extension => "extension",
            Check::Method => "method",
            Check::Unexpected => "parameter",
            Check::Missing => "missing-parameter",
            Check::Bare => "no-parameters",
            Check::Value => "value",
            Check::Characters => "characters",
            Check::SiteCharacters => "site-characters",
            Check::Neighbours => "order-of-characters",
            Check::Shape => "shape",
            Check::Length => "length",
            Check::Status => "status",
            Check::Size => "size",
        }
    }

    pub(super) const fn class(self) -> &'static str {
        match self {
            Check::Path | Check::PathOfFile | Check::Extension => "unexpected-path",
            Check::Method => "unexpected-method",
            Check::Unexpected => "unexpected-parameter",
            Check::Missing | Check::Bare => "missing-parameter",
            Check::Status | Check::Size => "unexpected-answer",
            _ => "unexpected-value",
        }
    }
}

/// One thing that is not as it was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Deviation {
    pub check: Check,
    /// In nats: -ln of how likely something like it is.
    pub evidence: f32,
    /// What is new, so that it can be known again.
    pub item: u64,
    /// Which parameter of the request it is about.
    pub given: Option<usize>,
    /// Which parameter of the endpoint it is about.
    pub parameter: Option<usize>,
}

/// Evidence from which on a thing is new: it is told with others, and goes to quarantine.
pub(super) const NEW: f32 = 3.0;

/// What is natural to come some day is worth a word beside other things, and none by itself.
pub(super) const MODEST: f32 = 6.5;

/// The evidence of all: the strongest, and of each other half of what is beyond the ordinary.
pub(super) fn total(deviations: &[Deviation]) -> f32 {
    const ORDINARY: f32 = 4.0;
    let strongest = deviations.iter().map(|deviation| deviation.evidence).fold(0.0, f32::max);
    let beyond = |evidence: f32| (evidence - ORDINARY).max(0.0) / 2.0;
    let others: f32 = deviations.iter().map(|deviation| beyond(deviation.evidence)).sum();
    strongest + others - beyond(strongest)
}

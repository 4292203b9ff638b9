use crate::{Event, Text};

/// The fields of a structured record that have no place of their own in an [`Event`]: names and values as they came.
#[derive(Debug, Clone, Default)]
pub struct Others {
    list: Vec<(Text, Text)>,
    /// One bit for each name, see [`mark`]: most questions are for names that are not here, and this answers them at once.
    marks: u64,
}

impl Others {
    /// More than this are left out: a record has few, an attack has many.
    pub const MOST: usize = 128;

    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Names and values, in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = (Text, Text)> {
        self.list.iter().copied()
    }

    /// Keeps the first `count` only.
    pub fn truncate(&mut self, count: usize) {
        self.list.truncate(count);
    }

    /// Whether one of the names that `marks` were made of may be here.
    pub(crate) const fn may_have(&self, marks: u64) -> bool {
        self.marks & marks != 0
    }
}

impl Event {
    /// Keeps a field that has no place of its own; nothing where there are [`Others::MOST`] already.
    pub fn keep(&mut self, name: Text, value: Text) {
        if self.others.list.len() < Others::MOST {
            self.others.marks |= mark(self.text(name));
            self.others.list.push((name, value));
        }
    }
}

/// The bit of a name among 64: of its length and its last two bytes, in which names differ most.
pub(crate) const fn mark(name: &[u8]) -> u64 {
    let (last, before) = match name {
        [.., before, last] => (*last, *before),
        [last] => (*last, 0),
        [] => (0, 0),
    };
    1 << ((name.len() as u64 * 7 + last as u64 * 3 + before as u64) % 64)
}

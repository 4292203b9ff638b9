use std::fmt;

use lapwing_model::Record;
use tokio::sync::{mpsc, oneshot};

/// How many records a block holds at most.
pub const BLOCK: usize = 1_024;

/// A block with so many bytes in its records is full, too: 1,024 lines of 1 MiB each would be a gibibyte.
pub const BLOCK_BYTES: usize = 512 << 10;

/// Records of one origin, in order.
#[derive(Debug)]
pub struct Block {
    /// Up to [`BLOCK`], and not many more bytes than [`BLOCK_BYTES`]; none where only a bookmark is to be kept.
    pub records: Vec<Record>,
    /// For pushed data: answered once the block is in the journal. Then and only then the sender may be told that its
    /// data is safe. Dropping it unanswered is a refusal.
    pub accepted: Option<oneshot::Sender<Accepted>>,
    /// For data that can be read again: where to go on once this block is through.
    pub bookmark: Option<Bookmark>,
}

/// Where a source goes on after a restart. Only the source that made it understands `place`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bookmark {
    /// Begins with the source's name and a colon.
    pub key: Box<str>,
    /// Empty means: the bookmark of that key is no longer needed.
    pub place: Vec<u8>,
}

/// Whether the journal has a block.
pub type Accepted = Result<(), Refused>;

/// Why the journal did not take a block, in words for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused(pub Box<str>);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not accepted: {}", self.0)
    }
}

impl std::error::Error for Refused {}

/// The pipeline has ended: nobody takes blocks any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the intake is closed")
    }
}

impl std::error::Error for Closed {}

/// Why a block was not taken at once.
#[derive(Debug)]
pub enum NotTaken {
    /// The pipeline is behind; here is the block back.
    Full(Block),
    Closed,
}

/// The way into the pipeline: bounded, so that a source that is faster than the pipeline has to wait.
#[derive(Debug, Clone)]
pub struct Intake(mpsc::Sender<Block>);

/// An intake that holds up to `bound` blocks (at least one), and its other end.
#[must_use]
pub fn intake(bound: usize) -> (Intake, mpsc::Receiver<Block>) {
    let (sender, receiver) = mpsc::channel(bound.max(1));
    (Intake(sender), receiver)
}

impl Intake {
    /// Waits until there is room.
    ///
    /// # Errors
    /// [`Closed`] once the pipeline has ended.
    pub async fn put(&self, block: Block) -> Result<(), Closed> {
        self.0.send(block).await.map_err(|_| Closed)
    }

    /// Gives the block back instead of waiting.
    ///
    /// # Errors
    /// Where there is no room now, or never again.
    pub fn try_put(&self, block: Block) -> Result<(), NotTaken> {
        self.0.try_send(block).map_err(|error| match error {
            mpsc::error::TrySendError::Full(block) => NotTaken::Full(block),
            mpsc::error::TrySendError::Closed(_) => NotTaken::Closed,
        })
    }

    /// Waits until there is room. For plain threads: panics where it is called within async code.
    ///
    /// # Errors
    /// [`Closed`] once the pipeline has ended.
    pub fn put_blocking(&self, block: Block) -> Result<(), Closed> {
        self.0.blocking_send(block).map_err(|_| Closed)
    }

    /// How many blocks wait now, and how many may.
    #[must_use]
    pub fn depth(&self) -> (usize, usize) {
        let bound = self.0.max_capacity();
        (bound - self.0.capacity(), bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block() -> Block {
        Block { records: Vec::new(), accepted: None, bookmark: None }
    }

    #[test]
    fn a_full_intake_gives_the_block_back() {
        let (intake, receiver) = intake(1);
        assert!(intake.try_put(block()).is_ok());
        assert_eq!(intake.depth(), (1, 1));
        assert!(matches!(intake.try_put(block()), Err(NotTaken::Full(_))));
        drop(receiver);
        assert!(matches!(intake.try_put(block()), Err(NotTaken::Closed)));
        assert_eq!(intake.put_blocking(block()), Err(Closed));
    }
}

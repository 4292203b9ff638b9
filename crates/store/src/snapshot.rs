//! One consistent state of the whole pipeline, and the one before it.
//!
//! `snapshot` is the newest, `snapshot.previous` the one before, `snapshot.new` one being written. A file is a header
//! (magic, version, sequence, length and CRC-32 of the body, CRC-32 of the header), then the body: the sections, zstd.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::{Cause, Result, StoreError, disk};

const MAGIC: &[u8; 8] = b"lapwing\x01";
const HEADER: usize = 8 + 4 + 8 + 8 + 4 + 4;
const NEWEST: &str = "snapshot";
const PREVIOUS: &str = "snapshot.previous";
const UNFINISHED: &str = "snapshot.new";

/// The state of every stage at one point of the input.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// Version of what the sections contain; its meaning is the caller's.
    pub version: u32,
    /// The journal has to be replayed from this sequence number on.
    pub sequence: u64,
    /// Name and bytes of each stage's state.
    pub sections: Vec<(String, Vec<u8>)>,
}

/// What [`write`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Size on disk, in bytes.
    pub bytes: u64,
    /// The journal may forget entries before this sequence number: neither of the kept snapshots needs them.
    pub forget_before: u64,
}

/// What [`read_newest`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub snapshot: Snapshot,
    /// Why the newest could not be used, where this is the one before it.
    pub damaged: Option<StoreError>,
}

/// Writes a snapshot so that a crash at any moment leaves this one or the one before it. The newest so far is kept as the
/// previous one, unless it is damaged.
///
/// # Errors
/// Where the directory cannot be written or is full; the snapshots already there stay as they are.
pub fn write(dir: &Path, snapshot: &Snapshot) -> Result<Written> {
    disk::make_dir("write snapshot", dir)?;
    let unfinished = dir.join(UNFINISHED);
    let bytes = write_file(&unfinished, snapshot).map_err(|error| {
        let error = StoreError::io("write snapshot", &unfinished, &error);
        // Only room is lost where this fails too: the next snapshot overwrites it.
        let _ = fs::remove_file(&unfinished);
        error
    })?;
    let newest = dir.join(NEWEST);
    let rename = |from: &Path, to: PathBuf| fs::rename(from, &to).map_err(|error| StoreError::io("write snapshot", &to, &error));
    if verify(&newest).is_ok() {
        rename(&newest, dir.join(PREVIOUS))?;
        // Else a crash could keep the second renaming and not the first.
        disk::sync_dir(dir)?;
    }
    rename(&unfinished, newest)?;
    disk::sync_dir(dir)?;
    let previous = File::open(dir.join(PREVIOUS)).and_then(|mut file| Header::read(&mut file));
    let previous = previous.map_or(snapshot.sequence, |header| header.sequence);
    Ok(Written { bytes, forget_before: previous.min(snapshot.sequence) })
}

/// The newest snapshot that is whole; nothing where none was ever written.
///
/// # Errors
/// Where snapshots are there and none of them can be used.
pub fn read_newest(dir: &Path) -> Result<Option<Found>> {
    let damaged = match read(&dir.join(NEWEST)) {
        Ok(Some(snapshot)) => return Ok(Some(Found { snapshot, damaged: None })),
        Ok(None) => None,
        Err(error) => Some(error),
    };
    match (read(&dir.join(PREVIOUS)), damaged) {
        (Ok(Some(snapshot)), damaged) => Ok(Some(Found { snapshot, damaged })),
        (Ok(None), None) => Ok(None),
        (_, Some(error)) | (Err(error), None) => Err(error),
    }
}

/// Writes a snapshot into a file of its own, whatever was in it.
///
/// # Errors
/// Where the file cannot be written; what was there stays.
pub fn save(path: &Path, snapshot: &Snapshot) -> Result<u64> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".unfinished");
    let unfinished = PathBuf::from(unfinished);
    let error = |error| StoreError::io("write state", path, &error);
    let bytes = write_file(&unfinished, snapshot).map_err(error)?;
    fs::rename(&unfinished, path).map_err(error)?;
    Ok(bytes)
}

/// Reads what [`save`] wrote.
///
/// # Errors
/// Where the file is not there, cannot be read, or is damaged.
pub fn open(path: &Path) -> Result<Snapshot> {
    read_file(path).map_err(|error| read_error(path, &error))
}

/// The same of bytes that are no file of their own.
///
/// # Errors
/// Where they are damaged.
pub fn decode(bytes: &[u8]) -> Result<Snapshot> {
    read_all(io::Cursor::new(bytes)).map_err(|error| read_error(Path::new("in memory"), &error))
}

fn read(path: &Path) -> Result<Option<Snapshot>> {
    match read_file(path) {
        Ok(snapshot) => Ok(Some(snapshot)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(read_error(path, &error)),
    }
}

fn read_error(path: &Path, error: &io::Error) -> StoreError {
    if matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof | io::ErrorKind::Other) {
        let what = format!("cannot read snapshot {}", path.display());
        let advice = "restore it from a backup, or move it away to learn from the beginning";
        return StoreError::new(Cause::Damaged, what, format!("it is damaged ({error})")).advise(advice);
    }
    StoreError::io("read snapshot", path, error)
}

struct Header {
    version: u32,
    sequence: u64,
    length: u64,
    crc: u32,
}

impl Header {
    fn to_bytes(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&self.version.to_le_bytes());
        bytes[12..20].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[20..28].copy_from_slice(&self.length.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.crc.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..32]);
        bytes[32..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    fn read(file: &mut impl Read) -> io::Result<Header> {
        let mut magic = [0; 8];
        file.read_exact(&mut magic)?;
        let version = read_u32(file)?;
        let (sequence, length) = (read_u64(file)?, read_u64(file)?);
        let header = Header { version, sequence, length, crc: read_u32(file)? };
        let crc = read_u32(file)?;
        if &magic != MAGIC || header.to_bytes()[32..] != crc.to_le_bytes() {
            return Err(invalid("its header is not what was written"));
        }
        Ok(header)
    }
}

fn write_file(path: &Path, snapshot: &Snapshot) -> io::Result<u64> {
    let mut file = BufWriter::with_capacity(1 << 18, File::create(path)?);
    file.write_all(&[0; HEADER])?;
    let mut body = zstd::Encoder::new(Checked::new(file), 1)?;
    write_sections(&mut body, &snapshot.sections)?;
    let Checked { inner: file, crc, length } = body.finish()?;
    let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.seek(SeekFrom::Start(0))?;
    let header = Header { version: snapshot.version, sequence: snapshot.sequence, length, crc: crc.finalize() };
    file.write_all(&header.to_bytes())?;
    file.sync_all()?;
    Ok(HEADER as u64 + length)
}

fn write_sections(out: &mut impl Write, sections: &[(String, Vec<u8>)]) -> io::Result<()> {
    out.write_all(&(sections.len() as u64).to_le_bytes())?;
    for (name, bytes) in sections {
        for part in [name.as_bytes(), bytes] {
            out.write_all(&(part.len() as u64).to_le_bytes())?;
            out.write_all(part)?;
        }
    }
    Ok(())
}

/// Reads a file to its end and compares both checksums, without keeping or decompressing anything.
fn verify(path: &Path) -> io::Result<Header> {
    verified(&mut BufReader::with_capacity(1 << 18, File::open(path)?))
}

fn verified(file: &mut impl BufRead) -> io::Result<Header> {
    let header = Header::read(file)?;
    let mut body = Checked::new(io::sink());
    io::copy(file, &mut body)?;
    if body.length != header.length || body.crc.finalize() != header.crc {
        return Err(invalid("its checksum is wrong"));
    }
    Ok(header)
}

fn read_file(path: &Path) -> io::Result<Snapshot> {
    read_all(BufReader::with_capacity(1 << 18, File::open(path)?))
}

fn read_all(mut file: impl BufRead + Seek) -> io::Result<Snapshot> {
    let header = verified(&mut file)?;
    file.seek(SeekFrom::Start(HEADER as u64))?;
    let mut body = zstd::Decoder::with_buffer(file)?;
    let mut sections = Vec::new();
    for _ in 0..read_u64(&mut body)? {
        let name = String::from_utf8(read_part(&mut body)?).map_err(|_| invalid("a section's name is not text"))?;
        sections.push((name, read_part(&mut body)?));
    }
    Ok(Snapshot { version: header.version, sequence: header.sequence, sections })
}

/// Grows with what is really there, so that a wrong length does not allocate.
fn read_part(body: &mut impl Read) -> io::Result<Vec<u8>> {
    let length = read_u64(body)?;
    let mut bytes = Vec::new();
    body.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == length { Ok(bytes) } else { Err(invalid("a section is too short")) }
}

fn read_u32(file: &mut impl Read) -> io::Result<u32> {
    let mut bytes = [0; 4];
    file.read_exact(&mut bytes).map(|()| u32::from_le_bytes(bytes))
}

fn read_u64(file: &mut impl Read) -> io::Result<u64> {
    let mut bytes = [0; 8];
    file.read_exact(&mut bytes).map(|()| u64::from_le_bytes(bytes))
}

fn invalid(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// Counts and checksums what passes through.
struct Checked<W> {
    inner: W,
    crc: crc32fast::Hasher,
    length: u64,
}

impl<W: Write> Checked<W> {
    fn new(inner: W) -> Self {
        Checked { inner, crc: crc32fast::Hasher::new(), length: 0 }
    }
}

impl<W: Write> Write for Checked<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.crc.update(&bytes[..written]);
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(sequence: u64) -> Snapshot {
        let state = (0..5000_u64).flat_map(|i| (i * sequence).to_le_bytes()).collect();
        Snapshot { version: 3, sequence, sections: vec![("miner".into(), state), (String::new(), vec![])] }
    }

    fn newest(dir: &Path) -> (u64, bool) {
        let found = read_newest(dir).unwrap().unwrap();
        assert_eq!(found.snapshot, snapshot(found.snapshot.sequence));
        (found.snapshot.sequence, found.damaged.is_some())
    }

    #[test]
    fn reads_back_the_newest() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read_newest(dir.path()).unwrap(), None);
        for sequence in 1..4 {
            write(dir.path(), &snapshot(sequence)).unwrap();
            assert_eq!(newest(dir.path()), (sequence, false));
        }
    }

    #[test]
    fn a_directory_that_is_not_there_has_no_snapshot() {
        assert_eq!(read_newest(Path::new("/no/such/directory")).unwrap(), None);
    }

    #[test]
    fn the_journal_is_needed_from_the_previous_snapshot_on() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(write(dir.path(), &snapshot(5)).unwrap().forget_before, 5);
        assert_eq!(write(dir.path(), &snapshot(9)).unwrap().forget_before, 5);
        assert_eq!(write(dir.path(), &snapshot(12)).unwrap().forget_before, 9);
    }

    #[test]
    fn a_damaged_newest_falls_back_to_the_previous_and_says_so() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &snapshot(1)).unwrap();
        write(dir.path(), &snapshot(2)).unwrap();
        let path = dir.path().join(NEWEST);
        let whole = fs::read(&path).unwrap();
        for cut in (0..whole.len()).step_by(whole.len() / 200 + 1) {
            fs::write(&path, &whole[..cut]).unwrap();
            assert_eq!(newest(dir.path()), (1, true), "cut at {cut}");
            let mut flipped = whole.clone();
            flipped[cut] ^= 0x10;
            fs::write(&path, flipped).unwrap();
            assert_eq!(newest(dir.path()), (1, true), "flipped at {cut}");
        }
        let found = read_newest(dir.path()).unwrap().unwrap();
        assert_eq!(found.damaged.unwrap().cause(), Cause::Damaged);
    }

    #[test]
    fn a_damaged_newest_never_replaces_a_good_previous() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &snapshot(1)).unwrap();
        write(dir.path(), &snapshot(2)).unwrap();
        fs::write(dir.path().join(NEWEST), b"torn").unwrap();
        assert_eq!(write(dir.path(), &snapshot(3)).unwrap().forget_before, 1);
        fs::write(dir.path().join(NEWEST), b"torn").unwrap();
        assert_eq!(newest(dir.path()), (1, true));
    }

    #[test]
    fn a_crash_between_the_two_renamings_leaves_the_previous() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &snapshot(1)).unwrap();
        fs::rename(dir.path().join(NEWEST), dir.path().join(PREVIOUS)).unwrap();
        fs::write(dir.path().join(UNFINISHED), b"half a sna").unwrap();
        assert_eq!(newest(dir.path()), (1, false));
        write(dir.path(), &snapshot(2)).unwrap();
        assert_eq!(newest(dir.path()), (2, false));
    }

    #[test]
    fn it_is_an_error_where_all_are_damaged() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &snapshot(1)).unwrap();
        fs::write(dir.path().join(NEWEST), b"").unwrap();
        let error = read_newest(dir.path()).unwrap_err();
        assert_eq!(error.cause(), Cause::Damaged);
        assert!(error.to_string().contains("move it away to learn from the beginning"), "{error}");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_disk_leaves_what_is_there() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &snapshot(1)).unwrap();
        std::os::unix::fs::symlink("/dev/full", dir.path().join(UNFINISHED)).unwrap();
        let error = write(dir.path(), &snapshot(2)).unwrap_err();
        assert!(error.is_passing(), "{error}");
        assert_eq!(newest(dir.path()), (1, false));
        write(dir.path(), &snapshot(3)).unwrap();
        assert_eq!(newest(dir.path()), (3, false));
    }

    #[test]
    fn a_file_in_place_of_the_directory_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, b"").unwrap();
        assert_eq!(write(&file, &snapshot(1)).unwrap_err().cause(), Cause::Unwritable);
    }
}

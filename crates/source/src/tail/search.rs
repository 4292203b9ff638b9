//! Finds the files to follow, and where in them to begin.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use lapwing_model::Position;
use memchr::{memchr_iter, memrchr};

use super::follow::READ;
use super::place::{Identity, Place, read_at};
use super::watch::Watch;
use crate::find::age;
use crate::unpack::Packing;

/// Lines before the end of a file are counted up to so many bytes back, to number those to come.
const COUNTED: u64 = 1 << 30;

/// A file that a pattern leads to.
#[derive(Debug)]
pub(super) struct Found<'a> {
    pub(super) path: PathBuf,
    pub(super) identity: Identity,
    pub(super) watch: &'a Watch,
}

/// Every file that is watched, each once, oldest of the rotated ones first.
pub(super) fn watched(watches: &[Watch]) -> Vec<Found<'_>> {
    let mut seen = HashSet::new();
    let mut found: Vec<Found> = Vec::new();
    for watch in watches {
        for path in watch.paths.iter().filter_map(|pattern| glob::glob(pattern).ok()).flatten().flatten() {
            let Ok(metadata) = path.metadata() else { continue };
            let identity = Identity::of(&metadata);
            if metadata.is_file() && seen.insert(identity) {
                found.push(Found { path, identity, watch });
            }
        }
    }
    found.sort_by_cached_key(|found| age(&found.path));
    found
}

/// The watch that a path belongs to, whether there is a file or not.
pub(super) fn watch_of<'a>(watches: &'a [Watch], path: &Path) -> Option<&'a Watch> {
    watches.iter().find(|watch| {
        watch.paths.iter().any(|pattern| glob::Pattern::new(pattern).is_ok_and(|pattern| pattern.matches_path(path)))
    })
}

/// The file that was read up to `place`, under its new name in the same directory: the file itself, or a copy of it. Files
/// in `taken` are none.
pub(super) fn moved(place: &Place, taken: &HashSet<Identity>) -> Option<(PathBuf, File, Identity)> {
    let mut copies = Vec::new();
    for (path, metadata) in siblings(&place.path) {
        let identity = Identity::of(&metadata);
        let is_file = metadata.is_file() && metadata.len() >= place.position.offset && !taken.contains(&identity);
        let Some(file) = is_file.then(|| File::open(&path).ok()).flatten() else { continue };
        if !place.print.matches(&file).unwrap_or(false) {
            continue;
        }
        if identity == place.identity {
            return Some((path, file, identity));
        }
        copies.push((metadata.modified().ok(), path, file, identity));
    }
    let newest = copies.into_iter().max_by_key(|copy| copy.0).filter(|_| place.print.is_telling());
    newest.map(|(_, path, file, identity)| (path, file, identity))
}

/// Files that came and were rotated away after `path` was last read as `first`: named like it and younger than `first`.
pub(super) fn between(path: &Path, first: &Path, taken: &HashSet<Identity>) -> Vec<(PathBuf, Identity)> {
    let changed = |path: &Path| path.metadata().and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    let since = changed(first);
    let mut later: Vec<_> = siblings(path)
        .filter(|(sibling, metadata)| {
            sibling != path && sibling != first && is_rotation_of(sibling, path) && metadata.is_file() && changed(sibling) > since
        })
        .map(|(sibling, metadata)| (sibling, Identity::of(&metadata)))
        .filter(|(_, identity)| !taken.contains(identity))
        .collect();
    later.sort_by_cached_key(|(sibling, _)| age(sibling));
    later
}

/// `access.log.1` and `access.log-20240101` are rotations of `access.log`.
pub(super) fn is_rotation_of(path: &Path, original: &Path) -> bool {
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let rest = name(path).strip_prefix(&name(original)).map(|rest| rest.starts_with(['.', '-']));
    path.parent() == original.parent() && rest == Some(true)
}

fn siblings(path: &Path) -> impl Iterator<Item = (PathBuf, fs::Metadata)> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some((entry.path(), entry.metadata().ok()?)))
}

/// It is compressed: nobody appends lines to it.
pub(super) fn is_packed(file: &File) -> bool {
    let mut head = [0; 4];
    read_at(file, &mut head, 0).is_ok_and(|n| Packing::of(&head[..n]) != Packing::Plain)
}

/// Where the last line begins that may still be written to, and its number.
pub(super) fn end(file: &File) -> io::Result<Position> {
    let size = file.metadata()?.len();
    let mut buffer = vec![0; READ];
    let mut position = Position { offset: size.saturating_sub(COUNTED), line: 1 };
    let mut at = position.offset;
    loop {
        let n = read_at(file, &mut buffer, at)?;
        let Some(last) = memrchr(b'\n', &buffer[..n]) else {
            if n < buffer.len() {
                return Ok(position);
            }
            at += n as u64;
            continue;
        };
        position.line += memchr_iter(b'\n', &buffer[..=last]).count() as u64;
        position.offset = at + last as u64 + 1;
        at += n as u64;
    }
}

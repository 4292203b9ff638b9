use std::fs::{OpenOptions, copy, create_dir, metadata, remove_file, rename, write};
use std::io::Write;
use std::sync::Arc;

use lapwing_model::Timestamp;
use tokio::sync::{mpsc, watch};

use super::*;
use crate::{Block, Bookmarks, Counters, intake};

/// A directory that is watched by a tailer that can be restarted, in a time of its own.
struct Scene {
    folder: tempfile::TempDir,
    watch: Watch,
    tailer: Option<Tailer>,
    blocks: mpsc::Receiver<Block>,
    bookmarks: Bookmarks,
    counters: Arc<Counters>,
    now: Instant,
}

impl Scene {
    fn new(pattern: &str, start: Start) -> Scene {
        let folder = tempfile::tempdir().unwrap();
        let paths = vec![folder.path().join(pattern).to_string_lossy().into_owned()];
        Scene {
            watch: Watch { paths, start, ..Watch::default() },
            folder,
            tailer: None,
            blocks: intake(1).1,
            bookmarks: Bookmarks::new(),
            counters: Arc::default(),
            now: Instant::now(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn append(&self, name: &str, text: &str) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.path(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn start(&mut self) {
        let (intake, blocks) = intake(10_000);
        let stop = watch::channel(false).1;
        let clock = || Timestamp::EPOCH;
        let context = Context { intake, stop, clock, bookmarks: self.bookmarks.clone(), counters: Arc::clone(&self.counters) };
        self.blocks = blocks;
        self.tailer = Some(Tailer::new(vec![self.watch.clone()], context));
    }

    /// Lets so much time pass; gives what came as `origin:line text`, and keeps the bookmarks as the pipeline would.
    fn after(&mut self, time: Duration) -> Vec<String> {
        if self.tailer.is_none() {
            self.start();
        }
        let end = self.now + time;
        let mut seen = Vec::new();
        loop {
            while self.tailer.as_mut().unwrap().turn(self.now).unwrap() {}
            seen.extend(self.take());
            if self.now >= end {
                return seen;
            }
            self.now += POLL;
        }
    }

    fn take(&mut self) -> Vec<String> {
        let mut seen = Vec::new();
        while let Ok(block) = self.blocks.try_recv() {
            for record in &block.records {
                let name = record.origin.name.rsplit('/').next().unwrap();
                seen.push(format!("{name}:{} {}", record.position.line, String::from_utf8_lossy(&record.body)));
            }
            let bookmark = block.bookmark.expect("what can be read again has a bookmark");
            match bookmark.place.is_empty() {
                true => _ = self.bookmarks.remove(&bookmark.key),
                false => _ = self.bookmarks.insert(bookmark.key, bookmark.place),
            }
        }
        seen
    }

    /// What the next second brings: enough for a record that waits for more lines.
    fn next(&mut self) -> Vec<String> {
        self.after(Duration::from_secs(1))
    }

    fn stop(&mut self) {
        self.tailer = None;
    }
}

/// Long enough for a fingerprint to tell files apart.
fn line(name: &str) -> String {
    format!("{name} {}", "=".repeat(80))
}

fn lines(prefix: &str, names: &[&str]) -> Vec<String> {
    names.iter().map(|name| format!("{prefix}{}", line(name))).collect()
}

#[test]
fn begins_at_the_end_or_the_beginning_and_new_files_at_their_beginning() {
    for (start, expected) in
        [(Start::End, vec!["a.log:3 three"]), (Start::Beginning, vec!["a.log:1 one", "a.log:2 two", "a.log:3 three"])]
    {
        let mut scene = Scene::new("*.log", start);
        scene.append("a.log", "one\ntwo\n");
        let mut seen = scene.next();
        scene.append("a.log", "three\n");
        seen.extend(scene.next());
        assert_eq!(seen, expected);
        scene.append("b.log", "new\n");
        assert_eq!(scene.after(SEARCH * 2), ["b.log:1 new"]);
    }
}

#[test]
fn a_half_written_line_waits_for_its_end_also_across_a_restart() {
    let mut scene = Scene::new("a.log", Start::Beginning);
    scene.append("a.log", "one\nhal");
    assert_eq!(scene.next(), ["a.log:1 one"]);
    scene.append("a.log", "f");
    assert!(scene.after(LINGER * 2).is_empty());
    scene.stop();
    scene.append("a.log", "\nthree\n");
    assert_eq!(scene.next(), ["a.log:2 half", "a.log:3 three"]);
}

#[test]
fn a_start_at_the_end_takes_the_half_written_line_whole() {
    let mut scene = Scene::new("a.log", Start::End);
    scene.append("a.log", "one\nhal");
    assert!(scene.next().is_empty());
    scene.append("a.log", "f\n");
    assert_eq!(scene.next(), ["a.log:2 half"]);
}

#[test]
fn a_stack_trace_is_one_record_once_the_file_is_quiet() {
    let mut scene = Scene::new("a.log", Start::Beginning);
    scene.append("a.log", "ERROR\n\tat a.B.c(D.java)\n");
    assert!(scene.after(Duration::ZERO).is_empty());
    scene.append("a.log", "\tat a.B.d(D.java)\n");
    assert_eq!(scene.next(), ["a.log:1 ERROR\n\tat a.B.c(D.java)\n\tat a.B.d(D.java)"]);
}

#[test]
fn a_record_that_waits_for_more_lines_is_read_again_after_a_restart() {
    let mut scene = Scene::new("a.log", Start::Beginning);
    scene.append("a.log", "INFO\nERROR\n\tat a.B.c(D.java)\n");
    assert_eq!(scene.after(Duration::ZERO), ["a.log:1 INFO"]);
    scene.stop();
    assert_eq!(scene.next(), ["a.log:2 ERROR\n\tat a.B.c(D.java)"]);
}

#[test]
fn a_renamed_file_is_read_to_its_end_before_the_new_one() {
    for pattern in ["a.log", "a.log*"] {
        let mut scene = Scene::new(pattern, Start::Beginning);
        scene.append("a.log", &(line("one") + "\n"));
        assert_eq!(scene.next(), lines("a.log:1 ", &["one"]));
        scene.append("a.log", "two\n");
        rename(scene.path("a.log"), scene.path("a.log.1")).unwrap();
        scene.append("a.log.1", "three\n");
        scene.append("a.log", "new\n");
        assert_eq!(scene.next(), ["a.log:2 two", "a.log:3 three", "a.log:1 new"], "{pattern}");
        scene.append("a.log.1", "late\n");
        assert_eq!(scene.next(), ["a.log:4 late"], "a writer that has not noticed yet, {pattern}");
        assert!(scene.after(LINGER * 2).is_empty());
        scene.append("a.log", "newer\n");
        assert_eq!(scene.next(), ["a.log:2 newer"]);
        scene.stop();
        scene.append("a.log", "newest\n");
        assert_eq!(scene.next(), ["a.log:3 newest"], "{pattern}");
    }
}

#[test]
fn a_file_that_was_rotated_away_is_closed_and_its_bookmark_forgotten() {
    let mut scene = Scene::new("a.log", Start::Beginning);
    scene.append("a.log", "one\nhalf");
    scene.next();
    rename(scene.path("a.log"), scene.path("old")).unwrap();
    scene.append("a.log", "new\n");
    assert_eq!(scene.after(LINGER * 2), ["a.log:1 new", "a.log:2 half"]);
    assert_eq!(scene.tailer.as_ref().unwrap().followers.len(), 1);
    assert_eq!(scene.bookmarks.len(), 1);
}

#[test]
fn a_truncated_file_is_started_over() {
    let mut scene = Scene::new("a.log", Start::Beginning);
    scene.append("a.log", "one\ntwo\n");
    scene.next();
    write(scene.path("a.log"), "new\n").unwrap();
    assert_eq!(scene.next(), ["a.log:1 new"]);
}

#[test]
fn a_truncated_file_is_noticed_also_when_it_has_grown_beyond_where_it_was() {
    let mut scene = Scene::new("a.log", Start::Beginning);
    scene.append("a.log", "one\ntwo\n");
    scene.next();
    write(scene.path("a.log"), "other\n".repeat(100)).unwrap();
    let seen = scene.next();
    assert_eq!((seen.len(), seen[0].as_str()), (100, "a.log:1 other"));
}

#[test]
fn what_was_written_just_before_a_truncation_is_read_from_the_copy() {
    for pattern in ["a.log", "a.log*"] {
        let mut scene = Scene::new(pattern, Start::Beginning);
        scene.append("a.log", &(line("one") + "\n"));
        scene.next();
        scene.append("a.log", "two\nha");
        scene.after(Duration::ZERO);
        scene.append("a.log", "lf\nthree\n");
        copy(scene.path("a.log"), scene.path("a.log.1")).unwrap();
        write(scene.path("a.log"), "new\n").unwrap();
        let seen = scene.after(SEARCH * 2);
        assert_eq!(seen, ["a.log:2 two", "a.log:3 half", "a.log:4 three", "a.log:1 new"], "{pattern}");
        assert!(scene.after(LINGER * 2).is_empty(), "{pattern}");
    }
}

#[test]
fn a_restart_goes_on_in_files_that_were_rotated_meanwhile() {
    for pattern in ["a.log", "a.log*"] {
        let mut scene = Scene::new(pattern, Start::End);
        scene.append("a.log", &(line("zero") + "\n"));
        scene.next();
        scene.append("a.log", "one\n");
        assert_eq!(scene.next(), ["a.log:2 one"]);
        scene.stop();
        scene.append("a.log", "two\n");
        rename(scene.path("a.log"), scene.path("a.log.2")).unwrap();
        std::thread::sleep(Duration::from_millis(20)); // so that the times of the files differ
        scene.append("a.log.1", &(line("between") + "\n"));
        scene.append("a.log", "new\n");
        let seen = scene.next();
        // A pattern that covers rotated files makes the one in between an origin of its own.
        let between = if pattern == "a.log" { "a.log" } else { "a.log.1" };
        let expected = ["a.log:3 two".to_owned(), format!("{between}:1 {}", line("between")), "a.log:1 new".to_owned()];
        assert_eq!(seen, expected);
        scene.after(LINGER * 2);
        scene.stop();
        assert!(scene.next().is_empty(), "nothing is read twice");
    }
}

#[test]
fn a_restart_goes_on_in_a_file_that_was_copied_and_truncated_meanwhile() {
    let mut scene = Scene::new("a.log", Start::End);
    scene.append("a.log", &(line("zero") + "\n"));
    scene.next();
    scene.stop();
    scene.append("a.log", "one\n");
    copy(scene.path("a.log"), scene.path("a.log.1")).unwrap();
    write(scene.path("a.log"), "new\n").unwrap();
    assert_eq!(scene.next(), ["a.log:2 one", "a.log:1 new"]);
    scene.after(LINGER * 2);
    scene.stop();
    assert!(scene.next().is_empty());
}

#[test]
fn lines_written_while_nobody_reads_are_read_after_the_restart() {
    let mut scene = Scene::new("*.log", Start::End);
    scene.append("a.log", "old\n");
    assert!(scene.next().is_empty());
    scene.stop();
    scene.append("a.log", "meanwhile\n");
    assert_eq!(scene.next(), ["a.log:2 meanwhile"]);
}

#[test]
fn a_deleted_file_is_closed_and_one_of_the_same_name_read_from_its_beginning() {
    let mut scene = Scene::new("a.log", Start::End);
    scene.append("a.log", "one\n");
    scene.next();
    remove_file(scene.path("a.log")).unwrap();
    assert!(scene.after(LINGER * 2).is_empty());
    assert!(scene.tailer.as_ref().unwrap().followers.is_empty());
    scene.append("a.log", "new\n");
    assert_eq!(scene.after(SEARCH * 2), ["a.log:1 new"]);
}

#[test]
fn compressed_files_and_directories_are_left_alone() {
    let mut scene = Scene::new("*", Start::Beginning);
    write(scene.path("a.log.1.gz"), b"\x1f\x8b\x08\x00rest\n").unwrap();
    create_dir(scene.path("folder")).unwrap();
    assert!(scene.after(SEARCH * 3).is_empty());
    assert_eq!(scene.counters.source("tail", &[]).loss(loss::COMPRESSED), 1);
}

#[test]
fn a_long_line_is_cut_and_counted_and_the_memory_for_it_bounded() {
    let mut scene = Scene::new("a.log", Start::Beginning);
    scene.watch.max_line = 1_000;
    scene.append("a.log", &format!("{}\nnext\n", "x".repeat(10 << 20)));
    let seen = scene.next();
    assert_eq!((seen[0].len(), seen[1].as_str()), (1_000 + "a.log:1 ".len(), "a.log:2 next"));
    assert_eq!(scene.counters.source("tail", &[]).loss(loss::TOO_LONG), 1);
}

#[test]
fn many_lines_come_in_blocks_each_with_the_place_after_it() {
    let mut scene = Scene::new("a.log", Start::Beginning);
    let text: String = (1..=5_000).map(|i| format!("line {i}\n")).collect();
    scene.append("a.log", &text);
    scene.start();
    let now = scene.now;
    scene.tailer.as_mut().unwrap().turn(now).unwrap();
    let mut expected = 1;
    while let Ok(block) = scene.blocks.try_recv() {
        assert!(block.records.len() <= crate::BLOCK);
        expected += block.records.len() as u64;
        let place = Place::read(&block.bookmark.unwrap().place).unwrap();
        assert_eq!(place.position.line, expected);
        let before: usize = text.split_inclusive('\n').take(expected as usize - 1).map(str::len).sum();
        assert_eq!(place.position.offset, before as u64);
    }
    assert_eq!(expected, 5_000, "the last one waits for lines that belong to it");
    assert_eq!(metadata(scene.path("a.log")).unwrap().len(), text.len() as u64);
}

#[tokio::test]
async fn ends_when_it_is_told_to_stop() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    write(&path, "one\ntwo\n").unwrap();
    let watches = vec![Watch { paths: vec![path.to_string_lossy().into()], start: Start::Beginning, ..Watch::default() }];
    let source = build(&Settings { files: watches }).unwrap().unwrap();
    let (stop, stopped) = watch::channel(false);
    let (intake, mut blocks) = intake(16);
    let clock = || Timestamp::EPOCH;
    let context = Context { intake, stop: stopped, clock, bookmarks: Bookmarks::new(), counters: Arc::default() };
    let task = tokio::spawn(source.run(context));
    let mut records = 0;
    while records < 2 {
        records += blocks.recv().await.unwrap().records.len();
    }
    stop.send(true).unwrap();
    tokio::time::timeout(Duration::from_secs(2), task).await.unwrap().unwrap().unwrap();
}

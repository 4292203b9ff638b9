//! What the kernel dropped of what came to a socket.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;

/// The kernel's count for one socket, from `/proc/net/udp` and `/proc/net/udp6`; nothing where they cannot be read.
#[derive(Debug)]
pub(super) struct KernelDrops {
    inode: Option<u64>,
    counted: u64,
}

impl KernelDrops {
    pub(super) fn of(socket: &std::net::UdpSocket) -> KernelDrops {
        let inode = fs::metadata(format!("/proc/self/fd/{}", socket.as_raw_fd())).map(|entry| entry.ino()).ok();
        KernelDrops { inode, counted: 0 }
    }

    /// How many were dropped since the last call.
    pub(super) fn since(&mut self) -> u64 {
        let Some(inode) = self.inode else { return 0 };
        let tables = ["/proc/self/net/udp", "/proc/self/net/udp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
        let Some(all) = tables.iter().find_map(|table| dropped(table, inode)) else { return 0 };
        let new = all.saturating_sub(self.counted);
        self.counted = all;
        new
    }
}

/// The last column of the line that has the inode in its tenth.
fn dropped(table: &str, inode: u64) -> Option<u64> {
    table.lines().skip(1).find_map(|line| {
        let mut columns = line.split_ascii_whitespace();
        (columns.nth(9)?.parse() == Ok(inode)).then(|| columns.last()?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_are_found_by_the_inode_of_the_socket() {
        let table = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n\
            66: 0100007F:0202 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4711 2 0000000000000000 12\n\
            67: 0100007F:0203 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4712 2 0000000000000000 0";
        assert_eq!(dropped(table, 4711), Some(12));
        assert_eq!(dropped(table, 4712), Some(0));
        assert_eq!(dropped(table, 1), None);
    }
}

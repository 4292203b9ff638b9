//! The network that is watched, 10.20.0.0/16, and the Internet that it talks to.

use crate::random::{Random, Zipf};

pub(super) const RESOLVERS: [u32; 2] = [own(0, 2), own(0, 3)];
pub(super) const DIRECTORY: u32 = own(0, 5);
pub(super) const FILES: u32 = own(0, 6);
pub(super) const BACKUP: u32 = own(0, 7);
pub(super) const LOGS: u32 = own(0, 8);
pub(super) const MONITORING: u32 = own(0, 9);
pub(super) const GIT: u32 = own(0, 10);
pub(super) const RUNNER: u32 = own(0, 11);
pub(super) const DATABASE: u32 = own(0, 12);
pub(super) const APPLICATION: u32 = own(0, 13);
pub(super) const PBX: u32 = own(0, 14);
pub(super) const PRINT_SERVER: u32 = own(0, 15);
pub(super) const WEB: u32 = own(250, 10);
pub(super) const MAIL: u32 = own(250, 11);
/// Thirty people of the guest network behind one address.
pub(super) const GUESTS: u32 = own(200, 1);
pub(super) const BROADCAST: u32 = own(255, 255);

/// Servers besides those with a name.
pub(super) const SERVERS: u32 = 24;
pub(super) const PRINTERS: u32 = 4;

/// 10.20.`third`.`fourth`
pub(super) const fn own(third: u8, fourth: u8) -> u32 {
    u32::from_be_bytes([10, 20, third, fourth])
}

pub(super) const fn server(number: u32) -> u32 {
    own(0, 40 + (number % SERVERS) as u8)
}

pub(super) const fn printer(number: u32) -> u32 {
    own(2, 10 + (number % PRINTERS) as u8)
}

/// Addresses of the network that the Internet reaches.
pub(super) const fn public(number: u32) -> u32 {
    own(250, 10 + (number % 8) as u8)
}

/// Who is there.
#[derive(Debug)]
pub(super) struct Office {
    pub hosts: u32,
    /// Addresses of sites, the most popular first.
    sites: Vec<u32>,
    popular: Zipf,
    pub clouds: [u32; 4],
    pub meetings: [u32; 6],
    pub mail: [u32; 4],
    pub push: [u32; 3],
    pub vendors: [u32; 8],
    pub clocks: [u32; 4],
    pub name_servers: Vec<u32>,
}

impl Office {
    pub(super) fn new(hosts: u32, random: &mut Random) -> Office {
        let sites = (0..4_000).map(|_| random.address()).collect::<Vec<_>>();
        Office {
            hosts,
            popular: Zipf::new(sites.len()),
            sites,
            clouds: std::array::from_fn(|_| random.address()),
            meetings: std::array::from_fn(|_| random.address()),
            mail: std::array::from_fn(|_| random.address()),
            push: std::array::from_fn(|_| random.address()),
            vendors: std::array::from_fn(|_| random.address()),
            clocks: std::array::from_fn(|_| random.address()),
            name_servers: (0..300).map(|_| random.address()).collect(),
        }
    }

    /// A workstation: 10.20.16.0 and up.
    pub(super) fn host(&self, number: u32) -> u32 {
        own(16, 0) + (number % self.hosts) / 200 * 256 + 10 + (number % self.hosts) % 200
    }

    pub(super) fn site(&self, random: &mut Random) -> u32 {
        self.sites[self.popular.rank(random)]
    }
}

//! All that is known, together: immutable, shared by everybody, exchanged as a whole.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lapwing_model::{Asset, Entity, Known, Network, NetworkClass, Scope, Threat, Timestamp};

use crate::builtin::Place;
use crate::database::{self, Database};
use crate::{AllowList, Allowed, Assets, Indicator, List, Networks, Settings, class};

/// Tables and lists. Without any, nothing is known.
#[derive(Debug, Clone, Default)]
pub struct Enrichment {
    enabled: bool,
    builtin: bool,
    databases: Arc<Vec<Arc<Database>>>,
    /// 1 to 3, as in [`LISTED`].
    listed: Arc<Networks<u8>>,
    assets: Arc<Assets>,
    allow: Arc<AllowList>,
    threats: Vec<Arc<List>>,
}

/// Larger lists of networks are refused.
const MOST_BYTES: u64 = 128 << 20;

/// What lists of networks say of those in them.
const LISTED: [NetworkClass; 3] = [NetworkClass::Tor, NetworkClass::Vpn, NetworkClass::Hosting];

impl Enrichment {
    /// What comes with Lapwing, and nothing else.
    #[must_use]
    pub fn builtin() -> Enrichment {
        Enrichment { enabled: true, builtin: true, ..Enrichment::default() }
    }

    /// Reads everything that the settings name; lists that were fetched lie in `fetched`. What cannot be used stays as it was
    /// `before`, and is told.
    #[must_use]
    pub fn open(settings: &Settings, fetched: &Path, before: Option<&Enrichment>) -> (Enrichment, Vec<String>) {
        if !settings.enabled {
            return (Enrichment::default(), Vec::new());
        }
        let mut errors = Vec::new();
        let enrichment = Enrichment {
            enabled: true,
            builtin: settings.builtin,
            databases: part(database::open(&settings.databases), before.map(|all| &all.databases), &mut errors),
            listed: part(listed(settings), before.map(|all| &all.listed), &mut errors),
            assets: part(optional(settings.assets.as_deref(), Assets::open), before.map(|all| &all.assets), &mut errors),
            allow: part(optional(settings.allow.as_deref(), AllowList::open), before.map(|all| &all.allow), &mut errors),
            threats: threats(settings, fetched, before, &mut errors),
        };
        (enrichment, errors)
    }

    /// Whether anything is to be looked up at all.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// What is known of an address.
    #[must_use]
    pub fn about(&self, address: IpAddr) -> Known {
        let address = address.to_canonical();
        let (network_class, place) = self.whereabouts(address);
        let mut known = Known { network_class, asset: self.assets.at(address).cloned(), ..Known::default() };
        known.threats.extend(self.threats.iter().filter_map(|list| {
            let entry = list.address(address)?.to_string().into();
            Some(Threat { list: list.name.as_ref().into(), entry })
        }));
        self.databases.iter().for_each(|database| database.add_to(&mut known, address));
        known.country = known.country.or_else(|| place.country());
        known.autonomous_system = known.autonomous_system.or_else(|| place.system());
        known
    }

    /// The class of an address and, of a public one, its place in the tables that come with Lapwing.
    pub(crate) fn whereabouts(&self, address: IpAddr) -> (NetworkClass, Place) {
        let class = class(address);
        if class != NetworkClass::Public {
            return (class, Place::default());
        }
        let listed = usize::from(self.listed.get(address)).checked_sub(1).and_then(|listed| LISTED.get(listed));
        let place = if self.builtin { Place::of(address) } else { Place::default() };
        (listed.copied().unwrap_or(class), place)
    }

    /// Whether all that is known of any address follows from its whereabouts.
    pub(crate) fn is_plain(&self) -> bool {
        self.databases.is_empty() && self.assets.is_empty() && self.threats.is_empty()
    }

    /// What is known of somebody: of the address that acts, of a host's name.
    #[must_use]
    pub fn of(&self, entity: &Entity) -> Option<Known> {
        if !self.enabled {
            return None;
        }
        match entity.scope {
            Scope::Client | Scope::Victim | Scope::Pair | Scope::Network => {
                entity.name.split([' ', '/']).next()?.parse().ok().map(|address| self.about(address))
            }
            Scope::Host | Scope::Service => {
                self.host(&entity.name).map(|asset| Known { asset: Some(asset.clone()), ..Known::default() })
            }
            _ => None,
        }
    }

    /// The asset of that name.
    #[must_use]
    pub fn host(&self, name: &str) -> Option<&Asset> {
        self.assets.named(name)
    }

    /// Whether there are assets at all.
    #[must_use]
    pub fn has_assets(&self) -> bool {
        !self.assets.is_empty()
    }

    #[must_use]
    pub fn assets(&self) -> &Assets {
        &self.assets
    }

    #[must_use]
    pub fn allow(&self) -> &AllowList {
        &self.allow
    }

    /// What allows one of these at a time.
    pub fn allows<'a>(&self, entities: impl IntoIterator<Item = &'a Entity>, at: Timestamp) -> Option<&Allowed> {
        entities.into_iter().find_map(|entity| self.allow.entity(entity, at))
    }

    /// The threat lists, in the order of the settings.
    #[must_use]
    pub fn threats(&self) -> &[Arc<List>] {
        &self.threats
    }

    /// The list of that name.
    #[must_use]
    pub fn threat_list(&self, name: &str) -> Option<&List> {
        self.threats.iter().map(|list| &**list).find(|list| &*list.name == name)
    }
}

fn part<T: Default>(opened: Result<T, String>, before: Option<&Arc<T>>, errors: &mut Vec<String>) -> Arc<T> {
    opened.map(Arc::new).unwrap_or_else(|error| {
        errors.push(error);
        before.cloned().unwrap_or_default()
    })
}

fn optional<T: Default>(path: Option<&Path>, open: impl Fn(&Path) -> Result<T, String>) -> Result<T, String> {
    path.map_or_else(|| Ok(T::default()), open)
}

fn listed(settings: &Settings) -> Result<Networks<u8>, String> {
    let lists = &settings.networks;
    let mut networks = Vec::new();
    for (paths, number) in [&lists.tor, &lists.vpn, &lists.hosting].into_iter().zip(1_u8..) {
        for path in paths {
            read_networks(path, |network| networks.push((network, number)))?;
        }
    }
    Ok(Networks::new(networks))
}

/// The networks that the lines of a file name; a file without any is a mistake.
fn read_networks(path: &PathBuf, mut each: impl FnMut(Network)) -> Result<(), String> {
    let said = |why: &dyn std::fmt::Display| format!("cannot use {}: {why}; correct enrichment.networks", path.display());
    if std::fs::metadata(path).is_ok_and(|file| file.len() > MOST_BYTES) {
        return Err(said(&format!("it has more than {MOST_BYTES} bytes")));
    }
    let text = std::fs::read(path).map_err(|error| said(&error))?;
    let mut any = false;
    for word in text.split(|&byte| byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok()?.split_whitespace().next()) {
        if let Some(Indicator::Network(network)) = Indicator::of(word) {
            any = true;
            each(network);
        }
    }
    if any { Ok(()) } else { Err(said(&"no line of it names an address or a network")) }
}

fn threats(settings: &Settings, fetched: &Path, before: Option<&Enrichment>, errors: &mut Vec<String>) -> Vec<Arc<List>> {
    let mut lists: Vec<Arc<List>> = Vec::new();
    for list in &settings.threat_lists {
        if lists.iter().any(|other| *other.name == *list.name) {
            errors.push(format!("there are two threat lists named {}; choose different names", list.name));
            continue;
        }
        let opened = list.place(fetched).and_then(|place| match list.url.is_some() && !place.exists() {
            true => Ok(List::empty(list)),
            false => List::open(&place, list),
        });
        lists.push(opened.map(Arc::new).unwrap_or_else(|error| {
            errors.push(error);
            let old = before.and_then(|before| before.threats.iter().find(|old| *old.name == *list.name));
            old.cloned().unwrap_or_else(|| Arc::new(List::empty(list)))
        }));
    }
    lists
}

//! How much one client, and all of them together, may ask for at once.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use lapwing_learn::Lru;
use lapwing_model::hash;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::{ApiError, ApiResult};

/// Clients whose rate is remembered; beyond it the one unheard of for longest is forgotten.
const CLIENTS: usize = 10_000;

/// A token bucket per client: what is saved up lasts for two seconds' worth.
#[derive(Debug)]
pub(super) struct Rates {
    per_second: f64,
    start: Instant,
    buckets: Mutex<Lru<Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    /// Seconds since the start.
    at: f64,
}

impl Rates {
    /// 0 requests per second is no limit.
    pub(super) fn new(per_second: u32) -> Rates {
        Rates { per_second: f64::from(per_second), start: Instant::now(), buckets: Mutex::new(Lru::new(CLIENTS)) }
    }

    /// # Errors
    /// 429 where the client has used up what it had.
    pub(super) fn admit(&self, client: IpAddr) -> ApiResult<()> {
        if self.per_second == 0.0 || self.take(client, self.start.elapsed().as_secs_f64()) {
            return Ok(());
        }
        let message = format!("more than {} requests a second from your address", self.per_second);
        Err(ApiError::too_many("rate_limit", message, "send fewer, larger requests, or raise server.limits.requests_per_second"))
    }

    fn take(&self, client: IpAddr, now: f64) -> bool {
        let full = self.per_second * 2.0;
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let (bucket, _) = buckets.get_or_insert_with(key(client), || Bucket { left: full, at: now });
        bucket.left = (bucket.left + (now - bucket.at).max(0.0) * self.per_second).min(full);
        bucket.at = now;
        let enough = bucket.left >= 1.0;
        bucket.left -= f64::from(u8::from(enough));
        enough
    }
}

/// Whoever has one address of version 6 has at least 2^64 of them.
fn key(client: IpAddr) -> u64 {
    match client.to_canonical() {
        IpAddr::V4(address) => hash(&address.octets()),
        IpAddr::V6(address) => hash(&address.octets()[..8]),
    }
}

/// Memory that the bodies of all requests may take together.
#[derive(Debug, Clone)]
pub(super) struct Memory(Arc<Semaphore>);

/// Memory is handed out in pieces of this size.
const PIECE: usize = 64 << 10;

/// Memory that one body has been given; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    memory: Memory,
    permit: Option<OwnedSemaphorePermit>,
    bytes: usize,
}

impl Memory {
    pub(super) fn new(bytes: usize) -> Memory {
        Memory(Arc::new(Semaphore::new((bytes / PIECE).clamp(1, Semaphore::MAX_PERMITS))))
    }

    pub(super) fn share(&self) -> Share {
        Share { memory: self.clone(), permit: None, bytes: 0 }
    }
}

impl Share {
    /// Grows to `bytes` in all.
    ///
    /// # Errors
    /// 429 where other requests hold too much just now.
    pub(super) fn grow(&mut self, bytes: usize) -> ApiResult<()> {
        let pieces = bytes.saturating_sub(self.bytes).div_ceil(PIECE);
        if pieces == 0 {
            return Ok(());
        }
        let more = u32::try_from(pieces).ok().and_then(|pieces| self.memory.0.clone().try_acquire_many_owned(pieces).ok());
        let Some(more) = more else {
            return Err(ApiError::too_many(
                "busy",
                "other requests use all the memory there is for bodies",
                "try again in a moment",
            ));
        };
        self.bytes += pieces * PIECE;
        match &mut self.permit {
            Some(permit) => permit.merge(more),
            None => self.permit = Some(more),
        }
        Ok(())
    }
}

/// How many of something may be open at once, and how often there were too many.
#[derive(Debug, Clone)]
pub(super) struct Slots {
    free: Arc<Semaphore>,
    refused: Arc<AtomicU64>,
}

impl Slots {
    pub(super) fn new(count: usize) -> Slots {
        Slots { free: Arc::new(Semaphore::new(count.clamp(1, Semaphore::MAX_PERMITS))), refused: Arc::default() }
    }

    /// A slot, free again when it is dropped; none where all are taken.
    pub(super) fn take(&self) -> Option<OwnedSemaphorePermit> {
        let slot = self.free.clone().try_acquire_owned().ok();
        if slot.is_none() {
            self.refused.fetch_add(1, Relaxed);
        }
        slot
    }

    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_gets_its_rate_and_no_other_pays_for_it() {
        let rates = Rates::new(10);
        let (greedy, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        assert_eq!((0..100).filter(|_| rates.take(greedy, 0.0)).count(), 20);
        assert!(rates.take(other, 0.0));
        assert_eq!((0..100).filter(|i| rates.take(greedy, 1.0 + f64::from(*i) / 100.0)).count(), 19);
    }

    #[test]
    fn addresses_of_one_network_of_version_6_are_one_client() {
        let rates = Rates::new(1);
        let client = |last: u16| IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, last]);
        assert_eq!((0..100).filter(|i| rates.take(client(*i), 0.0)).count(), 2);
    }

    #[test]
    fn a_million_clients_do_not_grow_memory() {
        let rates = Rates::new(1);
        for i in 0..1_000_000_u32 {
            rates.take(IpAddr::from(i.to_be_bytes()), 0.0);
        }
        assert_eq!(rates.buckets.lock().expect("not poisoned").len(), CLIENTS);
    }

    #[test]
    fn bodies_share_the_memory_and_give_it_back() {
        let memory = Memory::new(2 * PIECE);
        let (mut one, mut two) = (memory.share(), memory.share());
        assert!(one.grow(PIECE + 1).is_ok() && one.grow(2 * PIECE).is_ok());
        assert!(two.grow(1).is_err());
        drop(one);
        assert!(two.grow(1).is_ok());
    }
}

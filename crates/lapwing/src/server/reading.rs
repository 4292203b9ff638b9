//! The store, from async code: SQLite blocks, so it is called on threads where that is fine, a few at a time.

use std::sync::{Arc, Mutex, PoisonError};

use lapwing_store::{Reader, Result as StoreResult, Store};
use tokio::sync::Semaphore;

use super::Shared;
use super::error::{ApiError, ApiResult};

/// Readers that may be busy at once.
const READERS: usize = 4;

/// Readers of the store, made when they are needed first.
#[derive(Debug)]
pub(super) struct Readers {
    free: Semaphore,
    idle: Mutex<Vec<Reader>>,
}

impl Default for Readers {
    fn default() -> Self {
        Readers { free: Semaphore::new(READERS), idle: Mutex::default() }
    }
}

impl Shared {
    /// Reads from the store.
    ///
    /// # Errors
    /// 503 where it is busy or full, 500 where it cannot be read.
    pub(super) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Reader) -> StoreResult<T> + Send + 'static,
    ) -> ApiResult<T> {
        let _slot = self.readers.free.acquire().await.map_err(|closed| ApiError::internal(&closed.to_string()))?;
        let shared = self.clone();
        let read = blocking(move || {
            let idle = || shared.readers.idle.lock().unwrap_or_else(PoisonError::into_inner);
            let spare = idle().pop();
            let reader = spare.map_or_else(|| shared.live.reader(), Ok)?;
            let read = work(&reader)?;
            // One that failed is not used again.
            idle().push(reader);
            Ok(read)
        });
        read.await
    }

    /// Writes to the store.
    ///
    /// # Errors
    /// 503 where it is busy or full, 500 where it cannot be written.
    pub(super) async fn write<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut Store) -> StoreResult<T> + Send + 'static,
    ) -> ApiResult<T> {
        let store = self.live.store.clone();
        blocking(move || work(&mut store.lock().unwrap_or_else(PoisonError::into_inner))).await
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> StoreResult<T> + Send + 'static) -> ApiResult<T> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.map_err(|panic| ApiError::internal(&panic.to_string()))??)
}

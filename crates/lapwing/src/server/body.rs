//! Reads the body of a request, unpacked and never beyond its limit: memory does not depend on what a client claims or packs.

use std::io::{self, Write};

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use flate2::write::MultiGzDecoder;
use futures_util::StreamExt;
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

use super::App;
use super::error::{ApiError, ApiResult};
use super::limits::Share;

/// RFC 9659: what is sent over HTTP needs no larger window than 8 MiB.
const WINDOW_LOG: u32 = 23;

/// The whole body of a request, unpacked, and the memory it was given.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) bytes: Bytes,
    _share: Share,
}

impl FromRequest<App> for Whole {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> ApiResult<Whole> {
        let (parts, body) = request.into_parts();
        read(&parts.headers, body, app.limits.body_bytes, app.memory.share()).await
    }
}

async fn read(headers: &HeaderMap, body: Body, limit: usize, mut share: Share) -> ApiResult<Whole> {
    let mut unpacker = Unpacker::of(headers)?;
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large(limit));
    }
    let mut stream = body.into_data_stream();
    let (mut received, mut whole) = (0, Growing { bytes: Vec::new(), limit, share: &mut share, refused: None });
    let mut only = Bytes::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk
            .map_err(|error| ApiError::bad_request("broken_body", format!("the body broke off: {error}"), "send it again"))?;
        received += chunk.len();
        if received > limit {
            return Err(too_large(limit));
        }
        // A body that comes in one piece as it is, the usual case, is not copied.
        if matches!(unpacker, Unpacker::Plain) && only.is_empty() && whole.bytes.is_empty() {
            whole.share.grow(chunk.len())?;
            only = chunk;
            continue;
        }
        let head = std::mem::take(&mut only);
        unpacker.push(&head, &mut whole).and_then(|()| unpacker.push(&chunk, &mut whole)).map_err(|error| whole.why(&error))?;
    }
    unpacker.finish(&mut whole).map_err(|error| whole.why(&error))?;
    let bytes = if only.is_empty() { Bytes::from(whole.bytes) } else { only };
    Ok(Whole { bytes, _share: share })
}

fn too_large(limit: usize) -> ApiError {
    let message = format!("the body is larger than {limit} bytes");
    ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "too_large",
        message,
        "send it in several requests, or raise server.limits.body_bytes",
    )
}

/// What has been unpacked so far; refuses to grow beyond the limit.
#[derive(Debug)]
struct Growing<'a> {
    bytes: Vec<u8>,
    limit: usize,
    share: &'a mut Share,
    refused: Option<ApiError>,
}

impl Growing<'_> {
    fn add(&mut self, more: &[u8]) -> io::Result<()> {
        let length = self.bytes.len() + more.len();
        let room = if length > self.limit { Err(too_large(self.limit)) } else { self.share.grow(length) };
        if let Err(refused) = room {
            self.refused = Some(refused);
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        if length > self.bytes.capacity() {
            // Doubling, but never beyond what may come at most.
            let capacity = self.bytes.capacity().saturating_mul(2).clamp(length, self.limit);
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.bytes.extend_from_slice(more);
        Ok(())
    }

    fn why(&mut self, error: &io::Error) -> ApiError {
        let packed = || {
            ApiError::bad_request(
                "invalid_encoding",
                format!("the body cannot be unpacked: {error}"),
                "check Content-Encoding and what was packed",
            )
        };
        self.refused.take().unwrap_or_else(packed)
    }
}

enum Unpacker {
    Plain,
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    /// Whether the last frame is complete.
    Zstd(Box<Decoder<'static>>, bool),
}

impl Unpacker {
    fn of(headers: &HeaderMap) -> ApiResult<Unpacker> {
        let mut codings = headers.get_all(CONTENT_ENCODING).iter();
        let coding = codings.next().map(|coding| coding.as_bytes().trim_ascii().to_ascii_lowercase());
        match (coding.as_deref().unwrap_or_default(), codings.next()) {
            (b"" | b"identity", None) => Ok(Unpacker::Plain),
            (b"gzip" | b"x-gzip", None) => Ok(Unpacker::Gzip(Box::new(MultiGzDecoder::new(Vec::new())))),
            (b"zstd", None) => {
                let prepared = Decoder::new().and_then(|mut decoder| {
                    decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG))?;
                    Ok(decoder)
                });
                prepared
                    .map(|decoder| Unpacker::Zstd(Box::new(decoder), true))
                    .map_err(|error| ApiError::internal(&error.to_string()))
            }
            _ => Err(unsupported()),
        }
    }

    fn push(&mut self, chunk: &[u8], whole: &mut Growing<'_>) -> io::Result<()> {
        match self {
            Unpacker::Plain => whole.add(chunk),
            // In small steps, so that what one step unpacks to stays small too (at most 1,032 times as much).
            Unpacker::Gzip(decoder) => chunk.chunks(1 << 10).try_for_each(|step| {
                decoder.write_all(step)?;
                drain(decoder, whole)
            }),
            Unpacker::Zstd(decoder, complete) => unpack(decoder, complete, chunk, whole),
        }
    }

    fn finish(&mut self, whole: &mut Growing<'_>) -> io::Result<()> {
        match self {
            Unpacker::Plain | Unpacker::Zstd(_, true) => Ok(()),
            Unpacker::Zstd(_, false) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it ends within a frame")),
            Unpacker::Gzip(decoder) => {
                decoder.try_finish()?;
                drain(decoder, whole)
            }
        }
    }
}

fn drain(decoder: &mut MultiGzDecoder<Vec<u8>>, whole: &mut Growing<'_>) -> io::Result<()> {
    whole.add(decoder.get_ref())?;
    decoder.get_mut().clear();
    Ok(())
}

fn unpack(decoder: &mut Decoder<'static>, complete: &mut bool, chunk: &[u8], whole: &mut Growing<'_>) -> io::Result<()> {
    let mut input = InBuffer::around(chunk);
    let mut buffer = vec![0; 32 << 10];
    loop {
        let mut output = OutBuffer::around(&mut buffer[..]);
        if input.pos == chunk.len() && *complete {
            return Ok(());
        }
        *complete = decoder.run(&mut input, &mut output)? == 0;
        let written = output.pos();
        whole.add(&buffer[..written])?;
        // Nothing read and the buffer not filled: the rest of the frame is still to come.
        if input.pos == chunk.len() && written < buffer.len() {
            return Ok(());
        }
    }
}

/// 415 for a packing that is not known (RFC 9110 15.5.16).
fn unsupported() -> ApiError {
    ApiError::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_encoding",
        "the Content-Encoding is not one of gzip, zstd, identity",
        "pack the body with gzip or zstd, or not at all",
    )
    .with_header(ACCEPT_ENCODING, HeaderValue::from_static("gzip, zstd, identity"))
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;
    use crate::server::limits::Memory;

    const LIMIT: usize = 1 << 20;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).expect("into memory");
        encoder.finish().expect("into memory")
    }

    fn zstd(text: &[u8]) -> Vec<u8> {
        zstd::encode_all(text, 3).expect("into memory")
    }

    fn read_in(coding: &str, packed: &[u8], step: usize) -> Result<Bytes, String> {
        let headers = HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_str(coding).expect("a header"))]);
        let chunks: Vec<Result<Bytes, io::Error>> =
            packed.chunks(step.max(1)).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        let body = Body::from_stream(futures_util::stream::iter(chunks));
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let read = runtime.block_on(read(&headers, body, LIMIT, Memory::new(4 * LIMIT).share()));
        read.map(|whole| whole.bytes).map_err(|error| format!("{error:?}"))
    }

    proptest! {
        #[test]
        fn whatever_was_packed_comes_out_however_it_is_cut(text in prop::collection::vec(any::<u8>(), 0..3000), step in 1_usize..700) {
            for (coding, packed) in [("identity", text.clone()), ("gzip", gzip(&text)), ("ZSTD", zstd(&text))] {
                let read = read_in(coding, &packed, step).expect(coding);
                prop_assert_eq!(&read[..], &text[..]);
            }
        }
    }

    #[test]
    fn several_members_and_frames_are_one_body() {
        let twice = |packed: Vec<u8>| [packed.clone(), packed].concat();
        assert_eq!(read_in("x-gzip", &twice(gzip(b"ab")), 3).expect("gzip"), "abab");
        assert_eq!(read_in("zstd", &twice(zstd(b"ab")), 3).expect("zstd"), "abab");
    }

    #[test]
    fn a_bomb_is_refused_at_the_limit() {
        let bomb = vec![0; 64 << 20];
        for (coding, packed) in [("gzip", gzip(&bomb)), ("zstd", zstd(&bomb))] {
            assert!(packed.len() < LIMIT / 10);
            assert!(read_in(coding, &packed, usize::MAX).expect_err("too large").contains("too_large"), "{coding}");
        }
        assert!(read_in("identity", &vec![b'a'; LIMIT + 1], 4096).expect_err("too large").contains("too_large"));
        assert_eq!(read_in("gzip", &gzip(&vec![0; LIMIT]), 4096).expect("just fits").len(), LIMIT);
    }

    #[test]
    fn a_body_that_ends_early_or_is_something_else_is_refused() {
        for (coding, mut packed) in
            [("gzip", gzip(b"some text that is long enough")), ("zstd", zstd(b"some text that is long enough"))]
        {
            packed.truncate(packed.len() - 5);
            assert!(read_in(coding, &packed, 7).expect_err("cut off").contains("invalid_encoding"), "{coding}");
            assert!(read_in(coding, b"plain text", 100).expect_err("not packed").contains("invalid_encoding"), "{coding}");
        }
        for coding in ["br", "gzip, gzip", "deflate"] {
            assert!(read_in(coding, b"", 1).expect_err("unknown").contains("unsupported_encoding"), "{coding}");
        }
    }

    #[test]
    fn a_window_larger_than_http_allows_is_refused() {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).expect("an encoder");
        encoder.window_log(27).expect("a window");
        encoder.write_all(b"text").expect("into memory");
        assert!(
            read_in("zstd", &encoder.finish().expect("into memory"), 100)
                .expect_err("a window of 128 MiB")
                .contains("invalid_encoding")
        );
    }
}

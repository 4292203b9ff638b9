//! The safetensors format: eight bytes with the length of a JSON header, the header, then numbers. Only what is needed:
//! tensors of f32, every one of which is expected by name and shape.

use super::ModelError;
use super::weights::Named;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A header is refused beyond this.
const LONGEST_HEADER: u64 = 1 << 20;

#[derive(Serialize, Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [usize; 2],
}

/// A file of the tensors in their order.
pub(super) fn encode(tensors: &[(Named, &Vec<f32>)]) -> Vec<u8> {
    let mut header = BTreeMap::new();
    let mut end = 0;
    for (named, numbers) in tensors {
        let begin = end;
        end += 4 * numbers.len();
        let entry = Entry { dtype: "F32".to_owned(), shape: named.dimensions.clone(), data_offsets: [begin, end] };
        header.insert(named.name.as_str(), entry);
    }
    // A map of plain words and numbers always has a text.
    let mut text = serde_json::to_string(&header).unwrap_or_default();
    // Numbers begin at a multiple of eight.
    text.extend(std::iter::repeat_n(' ', (8 - text.len() % 8) % 8));
    let mut bytes = Vec::with_capacity(8 + text.len() + end);
    bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
    for (_, numbers) in tensors {
        bytes.extend(numbers.iter().flat_map(|x| x.to_le_bytes()));
    }
    bytes
}

/// Fills tensors from a file that must have just these. No length in the file decides how much is allocated.
pub(super) fn decode(bytes: &[u8], mut expected: Vec<(Named, &mut Vec<f32>)>) -> Result<(), ModelError> {
    let refuse = |reason: String| Err(ModelError::new(format!("the weights are damaged or not safetensors: {reason}")));
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else { return refuse("there is no header".to_owned()) };
    let length = u64::from_le_bytes(*length);
    if length > LONGEST_HEADER || length > rest.len() as u64 {
        return refuse(format!("a header of {length} bytes does not fit"));
    }
    let (header, data) = rest.split_at(length as usize);
    let mut header: BTreeMap<String, serde_json::Value> = match serde_json::from_slice(header) {
        Ok(header) => header,
        Err(error) => return refuse(format!("the header is not a JSON object: {error}")),
    };
    header.remove("__metadata__");
    let mut total = 0;
    for (named, numbers) in &mut expected {
        let name = &named.name;
        let Some(entry) = header.remove(name) else { return refuse(format!("tensor {name} is missing")) };
        let entry: Entry = match serde_json::from_value(entry) {
            Ok(entry) => entry,
            Err(error) => return refuse(format!("tensor {name}: {error}")),
        };
        if entry.dtype != "F32" || entry.shape != named.dimensions {
            return refuse(format!("tensor {name} is {} {:?} instead of F32 {:?}", entry.dtype, entry.shape, named.dimensions));
        }
        let [begin, end] = entry.data_offsets;
        let Some(part) = data.get(begin..end).filter(|part| part.len() == 4 * numbers.len()) else {
            return refuse(format!("tensor {name} lies at {begin} to {end} of {} bytes", data.len()));
        };
        for (number, four) in numbers.iter_mut().zip(part.as_chunks::<4>().0) {
            *number = f32::from_le_bytes(*four);
        }
        total += part.len();
    }
    if let Some(name) = header.keys().next() {
        return refuse(format!("tensor {name:?} is not of this model"));
    }
    if total != data.len() {
        return refuse(format!("{} bytes of numbers instead of {total}", data.len()));
    }
    Ok(())
}

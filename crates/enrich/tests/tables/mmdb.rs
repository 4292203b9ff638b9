//! Writes databases in MaxMind's format (version 2.0), as its specification says: for tests, of IPv4 only and with records of
//! 24 bits.

/// A value of a record.
pub enum Data<'a> {
    Text(&'a str),
    Number(u32),
    Map(Vec<(&'a str, Data<'a>)>),
}

const TYPE_TEXT: u8 = 2;
const TYPE_U16: u8 = 5;
const TYPE_U32: u8 = 6;
const TYPE_MAP: u8 = 7;

fn control(out: &mut Vec<u8>, kind: u8, size: usize) {
    match size {
        0..29 => out.push(kind << 5 | size as u8),
        _ => out.extend([kind << 5 | 29, (size - 29) as u8]),
    }
}

fn number(out: &mut Vec<u8>, kind: u8, number: u32) {
    let bytes: Vec<u8> = number.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
    control(out, kind, bytes.len());
    out.extend(bytes);
}

fn text(out: &mut Vec<u8>, text: &str) {
    control(out, TYPE_TEXT, text.len());
    out.extend(text.as_bytes());
}

fn put(out: &mut Vec<u8>, data: &Data<'_>) {
    match data {
        Data::Text(said) => text(out, said),
        Data::Number(said) => number(out, TYPE_U32, *said),
        Data::Map(fields) => {
            control(out, TYPE_MAP, fields.len());
            for (name, value) in fields {
                text(out, name);
                put(out, value);
            }
        }
    }
}

/// A database that says of each network what stands beside it. The networks lie apart.
pub fn database(networks: &[([u8; 4], u32, Data<'_>)]) -> Vec<u8> {
    let mut nodes: Vec<[Option<Child>; 2]> = vec![[None; 2]];
    let mut data = Vec::new();
    for (address, prefix, said) in networks {
        let (address, mut at) = (u32::from_be_bytes(*address), 0);
        for bit in 0..*prefix {
            let side = (address >> (31 - bit) & 1) as usize;
            if bit + 1 == *prefix {
                nodes[at][side] = Some(Child::Data(data.len() as u32));
            } else if let Some(Child::Node(next)) = nodes[at][side] {
                at = next;
            } else {
                nodes.push([None; 2]);
                let next = nodes.len() - 1;
                nodes[at][side] = Some(Child::Node(next));
                at = next;
            }
        }
        put(&mut data, said);
    }
    let count = nodes.len() as u32;
    let mut out = Vec::new();
    for child in nodes.iter().flatten() {
        let record = match child {
            None => count,
            Some(Child::Node(node)) => *node as u32,
            Some(Child::Data(offset)) => count + 16 + offset,
        };
        out.extend(&record.to_be_bytes()[1..]);
    }
    out.extend([0; 16]);
    out.extend(data);
    metadata(&mut out, count);
    out
}

#[derive(Clone, Copy)]
enum Child {
    Node(usize),
    Data(u32),
}

fn metadata(out: &mut Vec<u8>, nodes: u32) {
    out.extend(b"\xab\xcd\xefMaxMind.com");
    control(out, TYPE_MAP, 9);
    let short = |out: &mut Vec<u8>, name: &str, value: u32| {
        text(out, name);
        number(out, TYPE_U16, value);
    };
    short(out, "binary_format_major_version", 2);
    short(out, "binary_format_minor_version", 0);
    short(out, "ip_version", 4);
    short(out, "record_size", 24);
    text(out, "node_count");
    number(out, TYPE_U32, nodes);
    text(out, "database_type");
    text(out, "Test");
    text(out, "build_epoch");
    // An unsigned integer of 64 bits is an extended type: 9 is 7 and 2.
    out.extend([1, 2, 1]);
    text(out, "languages");
    // So is a list: 11 is 7 and 4.
    out.extend([0, 4]);
    text(out, "description");
    put(out, &Data::Map(vec![("en", Data::Text("made by a test"))]));
}

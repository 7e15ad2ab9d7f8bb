//! Checkpoints: what was alive after a given row, so that an as-of question need not read the
//! whole recording. Derived data: everything in them follows from the changes.

/// The latest row of an object that is alive, as numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AliveRow {
    pub(crate) object: u32,
    pub(crate) sequence: u64,
    pub(crate) observed_at: i64,
    pub(crate) effective_at: i64,
    pub(crate) meta: u32,
    pub(crate) spec: u32,
    pub(crate) rest: u32,
    /// The number in `node_names` (from 1), or 0 for none.
    pub(crate) node_name: u32,
}

/// Writes rows, which must be in the order of their objects, as differences in variable-length
/// integers: about 14 bytes each.
pub(crate) fn encode(rows: impl Iterator<Item = AliveRow>) -> Vec<u8> {
    let mut out = Vec::new();
    let (mut object, mut observed_at, mut sequence) = (0, 0, 0);
    for row in rows {
        write_number(&mut out, u64::from(row.object - object));
        write_signed(&mut out, row.sequence.cast_signed() - sequence);
        write_signed(&mut out, row.observed_at - observed_at);
        write_signed(&mut out, row.effective_at - row.observed_at);
        for number in [row.meta, row.spec, row.rest, row.node_name] {
            write_number(&mut out, u64::from(number));
        }
        (object, observed_at, sequence) = (row.object, row.observed_at, row.sequence.cast_signed());
    }
    out
}

/// Reads what [`encode`] wrote; `None` when the bytes are not that.
pub(crate) fn decode(mut bytes: &[u8]) -> Option<Vec<AliveRow>> {
    let mut rows = Vec::new();
    let (mut object, mut observed_at, mut sequence) = (0_u32, 0_i64, 0_i64);
    while !bytes.is_empty() {
        object = object.checked_add(read_u32(&mut bytes)?)?;
        sequence = sequence.checked_add(read_signed(&mut bytes)?)?;
        observed_at = observed_at.checked_add(read_signed(&mut bytes)?)?;
        let effective_at = observed_at.checked_add(read_signed(&mut bytes)?)?;
        rows.push(AliveRow {
            object,
            sequence: u64::try_from(sequence).ok()?,
            observed_at,
            effective_at,
            meta: read_u32(&mut bytes)?,
            spec: read_u32(&mut bytes)?,
            rest: read_u32(&mut bytes)?,
            node_name: read_u32(&mut bytes)?,
        });
    }
    Some(rows)
}

fn write_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

/// Small numbers of either sign become short: 0, -1, 1, -2, ... are written as 0, 1, 2, 3, ...
fn write_signed(out: &mut Vec<u8>, number: i64) {
    write_number(out, ((number << 1) ^ (number >> 63)).cast_unsigned());
}

fn read_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn read_signed(bytes: &mut &[u8]) -> Option<i64> {
    let number = read_number(bytes)?;
    Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
}

fn read_u32(bytes: &mut &[u8]) -> Option<u32> {
    read_number(bytes)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_survive_the_round_trip_and_cut_bytes_are_refused() {
        let row = |object, sequence, observed_at, effective_at| AliveRow {
            object,
            sequence,
            observed_at,
            effective_at,
            meta: 1,
            spec: 300,
            rest: u32::MAX,
            node_name: 0,
        };
        let rows = vec![
            row(0, 9, 1_700_000_000_000, 1_600_000_000_000),
            row(3, 2, -5, 7),
            row(u32::MAX, 1 << 40, 0, 0),
        ];
        let bytes = encode(rows.iter().copied());
        assert_eq!(decode(&bytes).as_deref(), Some(rows.as_slice()));
        assert_eq!(decode(&bytes[..bytes.len() - 1]), None);
        assert_eq!(decode(&[]), Some(Vec::new()));
    }
}

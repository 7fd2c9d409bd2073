//! Modality LUT (PS3.3 C.11.1): a table from stored values to modality values.

use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;

use super::slice_header::text;

/// The table of one image.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ModalityLut {
    /// Stored value that the first entry stands for; what lies below it has the first entry too.
    first: i64,
    /// Entries; what lies above the last has the last.
    entries: Vec<u16>,
    /// Modality LUT Type (0028,3004): the unit of the entries.
    pub(super) unit: String,
}

impl ModalityLut {
    /// The table in an item of the Modality LUT Sequence; the error says what is wrong with it.
    pub(super) fn read(item: &InMemDicomObject, signed: bool) -> Result<Self, String> {
        let descriptor = item
            .get(tags::LUT_DESCRIPTOR)
            .and_then(|element| element.to_multi_int::<i64>().ok())
            .unwrap_or_default();
        let &[count, first, bits] = descriptor.as_slice() else {
            return Err("its Modality LUT has no LUT Descriptor".into());
        };
        // Sixteen bits, whatever sign the file gave them: 0 entries are 65536, and the first value has the pixels' sign.
        let count = match count & 0xFFFF {
            0 => 0x1_0000,
            count => count as usize,
        };
        let first = match first & 0xFFFF {
            first if signed && first > 0x7FFF => first - 0x1_0000,
            first => first,
        };
        let data = item
            .get(tags::LUT_DATA)
            .and_then(|element| element.to_bytes().ok())
            .unwrap_or_default();
        let entries: Vec<u16> = if bits == 8 && data.len() < 2 * count {
            data.iter().take(count).map(|&b| u16::from(b)).collect()
        } else {
            let words = data.chunks_exact(2).take(count);
            words.map(|w| u16::from_le_bytes([w[0], w[1]])).collect()
        };
        if entries.len() != count {
            return Err(format!(
                "its Modality LUT has {} entries and says {count}",
                entries.len()
            ));
        }
        let unit = text(item, tags::MODALITY_LUT_TYPE);
        Ok(Self {
            first,
            entries,
            unit: if unit.is_empty() {
                "unspecified".into()
            } else {
                unit
            },
        })
    }

    /// The modality value of a stored value.
    pub(super) fn value(&self, stored: i64) -> f64 {
        let last = self.entries.len() as i64 - 1;
        let at = (stored - self.first).clamp(0, last);
        f64::from(self.entries[at as usize])
    }
}

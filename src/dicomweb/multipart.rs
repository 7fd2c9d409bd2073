//! Multipart bodies as they come (RFC 2046 section 5.1): a part's bytes are passed on as soon as it is certain that they are
//! none of a delimiter, and nothing else of a part is kept.

use memchr::memmem;

/// The header of a part is some hundred bytes.
const LARGEST_HEAD: usize = 16 << 10;
/// What stands before the first part and means nothing.
const LARGEST_PREAMBLE: usize = 64 << 10;
/// RFC 2046 section 5.1.1 has 70; Orthanc's are of 73.
const LONGEST_BOUNDARY: usize = 200;

/// What comes of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'b> {
    /// A part begins; its header's lines.
    Head(&'b str),
    /// Bytes of the part.
    Data(&'b [u8]),
    /// The part is whole.
    End,
}

/// Why a body is none of parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The boundary is empty or too long.
    #[error("the boundary has no characters, or more than {LONGEST_BOUNDARY}")]
    Boundary,
    /// No part begins.
    #[error("no part begins in it")]
    NoPart,
    /// A delimiter is followed by something else than the end of its line.
    #[error("a delimiter is not followed by the end of its line")]
    Delimiter,
    /// The header of a part is too long, or no text.
    #[error("the header of a part is longer than {LARGEST_HEAD} bytes, or no text")]
    Head,
    /// It ends before the delimiter that ends it.
    #[error("it ends before its last delimiter")]
    CutShort,
}

/// Where in the body the parser is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Preamble,
    AfterDelimiter,
    Head,
    Data,
    Epilogue,
}

/// Reads a body, piece by piece.
#[derive(Debug)]
pub struct Multipart {
    /// CRLF, two hyphens and the boundary.
    delimiter: memmem::Finder<'static>,
    /// What came and is not passed on yet.
    held: Vec<u8>,
    place: Place,
    skipped: usize,
}

impl Multipart {
    /// A body whose parts have this boundary between them.
    ///
    /// # Errors
    /// [`Malformed::Boundary`].
    pub fn new(boundary: &str) -> Result<Self, Malformed> {
        if !(1..=LONGEST_BOUNDARY).contains(&boundary.len()) {
            return Err(Malformed::Boundary);
        }
        let delimiter = format!("\r\n--{boundary}");
        Ok(Self {
            delimiter: memmem::Finder::new(delimiter.as_bytes()).into_owned(),
            // The first delimiter may stand at the very beginning.
            held: b"\r\n".to_vec(),
            place: Place::Preamble,
            skipped: 0,
        })
    }

    /// Takes bytes of the body; `take` hears what comes of them.
    ///
    /// # Errors
    /// When the body is none of parts; nothing more of it can be read then.
    pub fn push(&mut self, bytes: &[u8], mut take: impl FnMut(Piece<'_>)) -> Result<(), Malformed> {
        self.held.extend_from_slice(bytes);
        let mut at = 0;
        loop {
            let rest = &self.held[at..];
            let (taken, next) = match self.place {
                Place::Preamble => self.preamble(rest)?,
                Place::AfterDelimiter => after_delimiter(rest)?,
                Place::Head => head(rest, &mut take)?,
                Place::Data => self.data(rest, &mut take),
                Place::Epilogue => (rest.len(), None),
            };
            at += taken;
            if self.place == Place::Preamble {
                self.skipped += taken;
            }
            match next {
                Some(next) => self.place = next,
                None => break,
            }
        }
        self.held.drain(..at);
        Ok(())
    }

    /// The body ended.
    ///
    /// # Errors
    /// When it was cut short.
    pub fn finish(self) -> Result<(), Malformed> {
        match self.place {
            Place::Epilogue => Ok(()),
            Place::Preamble => Err(Malformed::NoPart),
            _ => Err(Malformed::CutShort),
        }
    }

    /// How many bytes are done with, and where the next ones are; nothing while more must come.
    fn preamble(&self, rest: &[u8]) -> Result<(usize, Option<Place>), Malformed> {
        if let Some(found) = self.delimiter.find(rest) {
            let end = found + self.delimiter.needle().len();
            return Ok((end, Some(Place::AfterDelimiter)));
        }
        let done = self.without_delimiter(rest);
        match self.skipped + done > LARGEST_PREAMBLE {
            true => Err(Malformed::NoPart),
            false => Ok((done, None)),
        }
    }

    fn data(&self, rest: &[u8], take: &mut impl FnMut(Piece<'_>)) -> (usize, Option<Place>) {
        let (data, taken, next) = match self.delimiter.find(rest) {
            Some(found) => {
                let end = found + self.delimiter.needle().len();
                (found, end, Some(Place::AfterDelimiter))
            }
            None => {
                let done = self.without_delimiter(rest);
                (done, done, None)
            }
        };
        if data > 0 {
            take(Piece::Data(&rest[..data]));
        }
        if next.is_some() {
            take(Piece::End);
        }
        (taken, next)
    }

    /// How many bytes cannot be the beginning of a delimiter, whatever follows.
    fn without_delimiter(&self, rest: &[u8]) -> usize {
        let delimiter = self.delimiter.needle();
        let from = rest.len().saturating_sub(delimiter.len() - 1);
        let begins = (from..rest.len()).find(|at| delimiter.starts_with(&rest[*at..]));
        begins.unwrap_or(rest.len())
    }
}

/// Two hyphens end the body; spaces and the end of the line begin a part.
fn after_delimiter(rest: &[u8]) -> Result<(usize, Option<Place>), Malformed> {
    if rest.starts_with(b"--") {
        return Ok((2, Some(Place::Epilogue)));
    }
    let spaces = rest.iter().take_while(|b| **b == b' ' || **b == b'\t');
    let spaces = spaces.count();
    match &rest[spaces..] {
        [b'\r', b'\n', ..] => Ok((spaces + 2, Some(Place::Head))),
        [] | [b'\r'] if spaces <= LARGEST_HEAD => Ok((0, None)),
        [b'-'] if spaces == 0 => Ok((0, None)),
        _ => Err(Malformed::Delimiter),
    }
}

fn head(
    rest: &[u8],
    take: &mut impl FnMut(Piece<'_>),
) -> Result<(usize, Option<Place>), Malformed> {
    // A part without a header begins with the empty line.
    let (lines, end) = match rest.starts_with(b"\r\n") {
        true => (0, 2),
        false => match memmem::find(rest, b"\r\n\r\n") {
            Some(found) => (found, found + 4),
            None if rest.len() > LARGEST_HEAD => return Err(Malformed::Head),
            None => return Ok((0, None)),
        },
    };
    if lines > LARGEST_HEAD {
        return Err(Malformed::Head);
    }
    let lines = std::str::from_utf8(&rest[..lines]).map_err(|_| Malformed::Head)?;
    take(Piece::Head(lines));
    // The line before a delimiter belongs to it, also where the part is empty.
    Ok((end, Some(Place::Data)))
}

/// The value of a field of a header.
pub fn field<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.split("\r\n").find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found
            .trim()
            .eq_ignore_ascii_case(name)
            .then(|| value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Part = (String, Vec<u8>);

    fn read(boundary: &str, pieces: &[&[u8]]) -> Result<Vec<Part>, Malformed> {
        let mut parser = Multipart::new(boundary)?;
        let (mut parts, mut whole): (Vec<Part>, usize) = (Vec::new(), 0);
        for piece in pieces {
            parser.push(piece, |piece| match piece {
                Piece::Head(head) => parts.push((head.to_owned(), Vec::new())),
                Piece::Data(bytes) => parts.last_mut().unwrap().1.extend(bytes),
                Piece::End => whole += 1,
            })?;
        }
        parser.finish()?;
        assert_eq!(whole, parts.len());
        Ok(parts)
    }

    #[test]
    fn parts_are_what_stands_between_the_delimiters() {
        let body = b"ignored\r\n--b \r\nContent-Type: a/b\r\nX: y\r\n\r\none\r\n\r\n--b\r\n\r\n\r\n--b\r\n\r\n--\r\n--b--ignored";
        let parts = read("b", &[body]).unwrap();
        let texts: Vec<&[u8]> = parts.iter().map(|(_, bytes)| bytes.as_slice()).collect();
        assert_eq!(texts, [b"one\r\n".as_slice(), b"", b"--"]);
        assert_eq!(field(&parts[0].0, "content-type"), Some("a/b"));
        assert_eq!(field(&parts[1].0, "content-type"), None);
    }

    #[test]
    fn what_is_no_body_of_parts_is_refused() {
        for (body, expected) in [
            (b"".as_slice(), Malformed::NoPart),
            (b"--c\r\n\r\n", Malformed::NoPart),
            (b"--bc\r\n\r\n", Malformed::Delimiter),
            (b"--b\r\n\r\ndata", Malformed::CutShort),
            (b"--b\r\nhead", Malformed::CutShort),
            (b"--b\r\n\xFF\r\n\r\n", Malformed::Head),
        ] {
            assert_eq!(read("b", &[body]), Err(expected), "{body:?}");
        }
        assert_eq!(read("", &[b""]), Err(Malformed::Boundary));
        let long = [b"--b\r\n".to_vec(), vec![b'x'; LARGEST_HEAD + 1]].concat();
        assert_eq!(read("b", &[&long]), Err(Malformed::Head));
        let preamble = vec![b'x'; 2 * LARGEST_PREAMBLE];
        assert_eq!(read("b", &[&preamble]), Err(Malformed::NoPart));
    }

    proptest! {
        /// Whatever the parts hold, delimiters that are almost right too, and however the body is cut.
        #[test]
        fn parts_come_back_however_the_body_is_cut(
            parts in prop::collection::vec(prop::collection::vec(prop::sample::select(b"\r\n-b x".to_vec()), 0..40), 1..5),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let boundary = "bb-b";
            let delimiter = format!("\r\n--{boundary}").into_bytes();
            let mut body = Vec::new();
            let mut expected = Vec::new();
            for part in &parts {
                let with_end = [b"\r\n".as_slice(), part, &delimiter].concat();
                // No part may hold the delimiter.
                let is_free = memmem::find(&with_end, &delimiter) == Some(with_end.len() - delimiter.len());
                if is_free {
                    body.extend(format!("\r\n--{boundary}\r\nA: b\r\n\r\n").into_bytes());
                    body.extend(part);
                    expected.push(part.clone());
                }
            }
            prop_assume!(!expected.is_empty());
            body.extend(format!("\r\n--{boundary}--").into_bytes());
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len())).collect();
            at.extend([0, body.len()]);
            at.sort_unstable();
            let pieces: Vec<&[u8]> = at.windows(2).map(|ends| &body[ends[0]..ends[1]]).collect();
            let found = read(boundary, &pieces).unwrap();
            let found: Vec<Vec<u8>> = found.into_iter().map(|(_, bytes)| bytes).collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn no_bytes_make_it_panic(pieces in prop::collection::vec(prop::collection::vec(prop::sample::select(b"\r\n-b:x\xFF".to_vec()), 0..30), 0..6)) {
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            let _ = read("b", &pieces);
        }
    }
}

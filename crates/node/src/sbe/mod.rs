//! The codec of the binary door: frames and messages of fixed size, as docs/reference/beurs.sbe.xml describes them.
//!
//! A message is a struct that stands in memory as on the wire, so that reading and writing one is a copy. Values of enums
//! are numbers here: what a client sends is looked at where it is turned into a command, see [`commands`].
//!
//! Invariant: what is read is exactly as long as the message; a struct of a message has no value that is not valid.

pub mod commands;
mod messages;
pub mod reports;

pub use messages::*;

/// A message in front of the fields of which stand [`HEADER`] bytes.
///
/// # Safety
/// The type has no padding, and every pattern of bits is a value of it.
pub unsafe trait Message: Copy {
    /// Its number.
    const TEMPLATE_ID: u16;
    /// Its block length.
    const SIZE: usize;
    /// Its name.
    const NAME: &'static str;
    /// The names of its fields; the id of a field is its place, from 1.
    const FIELDS: &'static [&'static str];
    /// The bytes in front of the fields.
    const HEADER: [u8; HEADER] = header(Self::SIZE, Self::TEMPLATE_ID);

    /// Its fields as bytes.
    #[inline]
    fn as_bytes(&self) -> &[u8] {
        // SAFETY: by the trait's contract all bytes of it are initialised; they live as long as it does.
        unsafe { std::slice::from_raw_parts(std::ptr::from_ref(self).cast(), Self::SIZE) }
    }

    /// A message from its fields; `None` if they are not exactly as long as it is.
    #[inline]
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != Self::SIZE {
            return None;
        }
        // SAFETY: there are as many bytes as the type has, and by the trait's contract every pattern is a value.
        Some(unsafe { bytes.as_ptr().cast::<Self>().read_unaligned() })
    }

    /// The id of a field; 0 if there is none of that name.
    fn field_id(name: &str) -> u16 {
        Self::FIELDS.iter().position(|&field| field == name).map_or(0, |at| at as u16 + 1)
    }
}

macro_rules! message {
    ($(#[doc = $doc:literal])+ $name:ident = $id:literal, $size:literal { $(#[doc = $fdoc:literal] $field:ident: $ty:ty,)+ }) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(C, packed)]
        pub struct $name {
            $(#[doc = $fdoc] pub $field: $ty,)+
        }

        const _: () = assert!(size_of::<$name>() == $size);

        // SAFETY: packed, of integers and arrays of bytes only.
        unsafe impl crate::sbe::Message for $name {
            const TEMPLATE_ID: u16 = $id;
            const SIZE: usize = $size;
            const NAME: &'static str = stringify!($name);
            const FIELDS: &'static [&'static str] = &[$(stringify!($field)),+];
        }

        impl $name {
            /// With every field 0.
            // SAFETY: every pattern of bits is a value.
            pub const ZERO: Self = unsafe { std::mem::zeroed() };
        }
    };
}
use message;

macro_rules! code {
    ($(#[doc = $doc:literal])+ $name:ident { $(#[doc = $vdoc:literal] $variant:ident = $number:literal => $text:literal,)+ }) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u16)]
        pub enum $name {
            $(#[doc = $vdoc] $variant = $number,)+
        }

        impl $name {
            /// Every value, in the order of the numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The value with this number.
            pub const fn from_u16(number: u16) -> Option<Self> {
                match number {
                    $($number => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// Its stable name.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }
    };
}
use code;

/// Bytes in front of a message's fields: the framing header's 4 and the message header's 8.
pub const HEADER: usize = 12;
/// The longest frame.
pub const FRAME_MAX: usize = 1_024;
/// What follows is SBE 1.0, little-endian (the Simple Open Framing Header's number for it).
pub const ENCODING_TYPE: u16 = 0xeb50;
/// What a logon signs begins with this.
pub const LOGON_CONTEXT: &[u8; 20] = b"beurs binary logon 1";
/// How many bytes of a logon's fields are signed: all before the signature.
pub const LOGON_SIGNED: usize = Logon::SIZE - 64;

const fn header(size: usize, template_id: u16) -> [u8; HEADER] {
    let numbers = [(HEADER + size) as u16, ENCODING_TYPE, size as u16, template_id, SCHEMA_ID, SCHEMA_VERSION];
    let mut bytes = [0; HEADER];
    let mut at = 0;
    while at < numbers.len() {
        [bytes[2 * at], bytes[2 * at + 1]] = numbers[at].to_le_bytes();
        at += 1;
    }
    bytes
}

/// Appends a message as a frame.
#[inline]
pub fn put<M: Message>(out: &mut Vec<u8>, message: &M) {
    out.reserve(HEADER + M::SIZE);
    out.extend_from_slice(&M::HEADER);
    out.extend_from_slice(message.as_bytes());
}

/// A message as a frame.
pub fn frame<M: Message>(message: &M) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, message);
    out
}

/// One frame that has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame<'a> {
    /// The number of its message.
    pub template_id: u16,
    /// The message's fields.
    pub fields: &'a [u8],
}

impl Frame<'_> {
    /// The message, if it is one of this kind. Fields that a later version has added are left out.
    pub fn get<M: Message>(&self) -> Option<M> {
        (self.template_id == M::TEMPLATE_ID).then(|| self.fields.get(..M::SIZE).and_then(M::from_bytes)).flatten()
    }
}

/// The first frame of these bytes and how long it is; `None` if it has not come whole yet.
///
/// # Errors
/// What is wrong with its headers. The first that applies, in the order of the bytes.
#[inline]
pub fn next_frame(bytes: &[u8]) -> Result<Option<(Frame<'_>, usize)>, SessionReason> {
    let number = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    if bytes.len() < HEADER {
        // What is there of a header already tells whether it can become one.
        if bytes.len() >= 2 && !(HEADER..=FRAME_MAX).contains(&usize::from(number(0))) {
            return Err(SessionReason::InvalidFrame);
        }
        if bytes.len() >= 4 && number(2) != ENCODING_TYPE {
            return Err(SessionReason::InvalidFrame);
        }
        return Ok(None);
    }
    let length = usize::from(number(0));
    if !(HEADER..=FRAME_MAX).contains(&length) || number(2) != ENCODING_TYPE {
        return Err(SessionReason::InvalidFrame);
    }
    if number(8) != SCHEMA_ID {
        return Err(SessionReason::UnsupportedSchema);
    }
    if number(10) == 0 || number(10) > SCHEMA_VERSION {
        return Err(SessionReason::UnsupportedVersion);
    }
    if usize::from(number(4)) != length - HEADER {
        return Err(SessionReason::InvalidMessage);
    }
    let Some(fields) = bytes.get(HEADER..length) else {
        return Ok(None);
    };
    Ok(Some((Frame { template_id: number(6), fields }, length)))
}

/// A text field from its bytes.
pub fn padded<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
    Some(bytes)
}

#[cfg(test)]
mod tests;

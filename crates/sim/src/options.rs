//! The command lines of this crate's programs: `--name value` pairs, and `--name` alone for what is on or off.

/// What an option's value goes to.
pub enum Value<'a> {
    /// A whole number; `_` between digits is allowed.
    Number(&'a mut u64),
    /// Any text.
    Text(&'a mut String),
    /// Given or not.
    Flag(&'a mut bool),
}

/// Reads arguments into what is named.
///
/// # Errors
/// An option that is not known, or one without a value of its kind.
pub fn parse(arguments: impl IntoIterator<Item = String>, options: &mut [(&str, Value)]) -> Result<(), String> {
    let mut arguments = arguments.into_iter();
    while let Some(name) = arguments.next() {
        let Some((_, value)) = options.iter_mut().find(|(known, _)| *known == name) else {
            return Err(format!("unknown argument {name}"));
        };
        match value {
            Value::Flag(given) => **given = true,
            Value::Text(text) => **text = arguments.next().ok_or_else(|| format!("{name} needs a value"))?,
            Value::Number(number) => {
                let text = arguments.next().ok_or_else(|| format!("{name} needs a number"))?;
                **number = text.replace('_', "").parse().map_err(|_| format!("{name} needs a number, not {text}"))?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str]) -> Result<(u64, String, bool), String> {
        let (mut number, mut text, mut flag) = (7, String::new(), false);
        let mut options = [
            ("--seed", Value::Number(&mut number)),
            ("--areas", Value::Text(&mut text)),
            ("--keep", Value::Flag(&mut flag)),
        ];
        parse(arguments.iter().map(|&argument| argument.to_owned()), &mut options)?;
        Ok((number, text, flag))
    }

    #[test]
    fn options_are_read() {
        assert_eq!(read(&[]), Ok((7, String::new(), false)));
        assert_eq!(read(&["--seed", "1_000", "--keep", "--areas", "a,b"]), Ok((1000, "a,b".into(), true)));
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(read(&["--sed", "1"]), Err("unknown argument --sed".into()));
        assert_eq!(read(&["--seed"]), Err("--seed needs a number".into()));
        assert_eq!(read(&["--seed", "x"]), Err("--seed needs a number, not x".into()));
        assert_eq!(read(&["--areas"]), Err("--areas needs a value".into()));
    }
}

//! Whom receipts name: a company, its address and its tax id, as the workspace's people wrote them.

use serde::{Deserialize, Serialize};

/// Characters of each field. An address may have lines.
pub const COMPANY_CHARS_MAX: usize = 100;
/// See [`COMPANY_CHARS_MAX`].
pub const ADDRESS_CHARS_MAX: usize = 200;
/// See [`COMPANY_CHARS_MAX`].
pub const TAX_ID_CHARS_MAX: usize = 50;
const ADDRESS_LINES_MAX: usize = 8;

/// Whom receipts name. Each field may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BilledTo {
    /// The company, or a person's full name.
    pub company: String,
    /// The address, a line each.
    pub address: Vec<String>,
    /// A tax id such as a VAT number, as it is written there.
    pub tax_id: String,
}

/// Which fields cannot be kept: too long, or with characters that nobody writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BadBilledTo {
    /// The company.
    pub company: bool,
    /// The address.
    pub address: bool,
    /// The tax id.
    pub tax_id: bool,
}

impl BilledTo {
    /// What people wrote, without the space around it and without empty lines.
    ///
    /// # Errors
    /// [`BadBilledTo`].
    pub fn written(company: &str, address: &str, tax_id: &str) -> Result<Self, BadBilledTo> {
        let bad = |text: &str, chars_max: usize| text.chars().count() > chars_max || text.chars().any(char::is_control);
        let lines = address.lines().map(str::trim).filter(|line| !line.is_empty());
        let address: Vec<String> = lines.map(str::to_owned).collect();
        let (company, tax_id) = (company.trim().to_owned(), tax_id.trim().to_owned());
        let wrong = BadBilledTo {
            company: bad(&company, COMPANY_CHARS_MAX),
            address: address.len() > ADDRESS_LINES_MAX || bad(&address.concat(), ADDRESS_CHARS_MAX),
            tax_id: bad(&tax_id, TAX_ID_CHARS_MAX),
        };
        if wrong == BadBilledTo::default() { Ok(Self { company, address, tax_id }) } else { Err(wrong) }
    }

    /// Nobody is named.
    pub fn is_empty(&self) -> bool {
        self.company.is_empty() && self.address.is_empty() && self.tax_id.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_trimmed_and_bounded() {
        let kept = BilledTo::written(" Acme ", "1 Main St\r\n\r\n  Springfield \n", "").unwrap();
        assert_eq!(kept.company, "Acme");
        assert_eq!(kept.address, ["1 Main St", "Springfield"]);
        assert!(!kept.is_empty() && BilledTo::written(" ", "\n", " ").unwrap().is_empty());
        let long = "ä".repeat(101);
        assert_eq!(
            BilledTo::written(&long, "", "").unwrap_err(),
            BadBilledTo { company: true, ..BadBilledTo::default() }
        );
        assert!(BilledTo::written(&"ä".repeat(100), &"ö\n".repeat(8), &"x".repeat(50)).is_ok());
        let wrong = BilledTo::written("a\u{7}", &"line\n".repeat(9), &"1".repeat(51)).unwrap_err();
        assert_eq!(wrong, BadBilledTo { company: true, address: true, tax_id: true });
        assert!(BilledTo::written("", &"x".repeat(201), "").unwrap_err().address);
    }
}

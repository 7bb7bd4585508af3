//! What no template may have: code or styles inside it, text that is not escaped, anything from elsewhere.

use std::path::{Path, PathBuf};

fn templates() -> Vec<(PathBuf, String)> {
    fn collect(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, found);
            } else {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    let mut found = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("templates"), &mut found);
    assert!(found.len() > 5, "the templates are elsewhere");
    // Mails are no pages: their programs know no stylesheet but the attribute.
    found.retain(|(path, _)| !path.components().any(|part| part.as_os_str() == "mail"));
    found
}

/// The tags of a template, without their angle brackets.
fn tags(text: &str) -> impl Iterator<Item = &str> {
    text.split('<').skip(1).map(|rest| rest.split('>').next().unwrap_or(rest))
}

#[test]
fn no_template_has_code_or_styles_inside() {
    for (path, text) in templates() {
        for tag in tags(&text) {
            let name = tag.split_whitespace().next().unwrap_or_default();
            let attributes: Vec<&str> = tag.split_whitespace().skip(1).collect();
            let has = |prefix: &str| attributes.iter().any(|attribute| attribute.starts_with(prefix));
            let handles =
                attributes.iter().any(|text| text.split_once('=').is_some_and(|(name, _)| name.starts_with("on")));
            assert!(!has("style="), "a style in <{tag}> of {}", path.display());
            assert!(!handles, "a handler in <{tag}> of {}", path.display());
            assert!(name != "style" && name != "base" && name != "iframe", "<{tag}> in {}", path.display());
            assert!(name != "script" || has("src="), "<{tag}> in {}", path.display());
            assert!(!tag.contains("javascript:"), "<{tag}> in {}", path.display());
        }
    }
}

#[test]
fn every_text_is_escaped() {
    for (path, text) in templates().into_iter().filter(|(path, _)| path.extension().is_some_and(|kind| kind == "html"))
    {
        assert!(!text.contains("|safe") && !text.contains("| safe"), "{}", path.display());
        assert!(!text.contains("escape("), "{}", path.display());
    }
}

#[test]
fn nothing_is_loaded_from_elsewhere() {
    for (path, text) in templates().into_iter().filter(|(path, _)| path.extension().is_some_and(|kind| kind == "html"))
    {
        for tag in tags(&text) {
            let name = tag.split_whitespace().next().unwrap_or_default();
            let loads = ["script", "link", "img", "audio", "video", "source", "iframe"].contains(&name);
            assert!(!loads || !tag.contains("//"), "<{tag}> in {}", path.display());
        }
    }
}

#[test]
fn every_form_that_changes_something_carries_the_token_of_its_session() {
    // Forms of signed-out pages have no session yet; they carry a token of their own where one is needed.
    for (path, text) in templates().into_iter().filter(|(_, text)| text.contains("layout.html")) {
        for form in text.split("<form").skip(1).map(|rest| rest.split("</form").next().unwrap_or(rest)) {
            let posts = form.split('>').next().is_some_and(|tag| tag.contains("method=\"post\""));
            assert!(!posts || form.contains("name=\"csrf\""), "a form without a token in {}", path.display());
        }
    }
}

//! Pages for people: what anybody may read, and the dashboard of whoever is signed in.
//!
//! `routes` names every page's path; a page here reads what it shows, fills an askama template from `templates/` and hands it
//! to [`page`], which owns every header of a page. Who is signed in is decided in `accounts` and `extract`; money is moved by
//! workspaces and payments; nothing here keeps anything.

pub mod app;
pub mod assets;
pub mod charges;
pub mod chart;
pub mod csv;
pub mod deliveries;
pub mod format;
pub mod operator;
pub mod page;
pub mod prices;
pub mod public;
pub mod query;
pub mod snippets;

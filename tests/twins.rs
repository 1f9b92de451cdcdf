//! Does every backend give what the definitions say, to the bit?

mod common;

use common::{on_every_backend, twin};

on_every_backend! {
    fn seed_matches_plain(backend) { twin::seed(backend); }
    fn candidate_matches_plain(backend) { twin::candidate(backend); }
    fn extend_matches_plain(backend) { twin::extend(backend); }
    fn pileup_matches_plain(backend) { twin::pileup(backend); }
    fn pairhmm_matches_plain(backend) { twin::pairhmm(backend); }
}

//! Bytes to domain and back. The only folder that counts from 1, and the only one that knows what
//! a gzip member, a BAM record or a BED line looks like.

pub mod alt;
pub mod bam;
pub mod bam_index;
pub mod bam_reader;
pub mod bed;
pub mod bgzf;
pub mod calls;
mod deflate;
pub mod depth;
pub mod digest;
pub mod fasta;
pub mod fastq;
pub mod folder;
pub mod header;
pub mod input;
pub mod loci;
pub mod output;
pub mod reads;
pub mod sam;
pub mod sites;
mod stream;
pub mod tags;
pub mod ubam;
pub mod umi;
pub mod vcf;
pub mod vcf_reader;

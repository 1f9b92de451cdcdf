#!/usr/bin/env bash
# Everything that is to be measured on a real GPU, in one command of some minutes and without a network: the
# release binary, the Vulkan loader and the driver must be there, nothing else. The genome is a chromosome if
# one is given, else made up; reads are drawn from it.
#
#   benches/gpu.sh [-b BINARY] [-f CHROMOSOME.fa] [-n PAIRS] [-d DEVICE] [-o FOLDER]
#
# FOLDER (default: gpu-figures) then holds bench.json, bench.svg, log.txt; log.txt ends with what it found.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
binary=$here/target/release/theralign fasta='' pairs=2000000 device=gpu out=gpu-figures
while getopts b:f:n:d:o: option; do
    case $option in
        b) binary=$OPTARG ;; f) fasta=$OPTARG ;; n) pairs=$OPTARG ;; d) device=$OPTARG ;; o) out=$OPTARG ;;
        *) exit 2 ;;
    esac
done
mkdir -p "$out"
exec > >(tee "$out/log.txt") 2>&1
work=$(mktemp -d "${TMPDIR:-/dev/shm}/theralign.XXXXXX")
trap 'rm -rf "$work"' EXIT
step() { printf '\n== %s (after %d s)\n' "$*" "$SECONDS"; }

step "the machine"
uname -sr
nproc
grep -m1 'model name' /proc/cpuinfo || true
command -v nvidia-smi >/dev/null && nvidia-smi --query-gpu=name,driver_version,memory.total,pcie.link.gen.current --format=csv || true
# The loader may not know the driver's own file.
if [ -z "${VK_DRIVER_FILES:-}" ]; then
    for file in /etc/vulkan/icd.d/nvidia_icd.json /usr/share/vulkan/icd.d/nvidia_icd*.json; do
        [ -e "$file" ] && export VK_DRIVER_FILES=$file && break
    done
fi
"$binary" devices
# A software adapter is no GPU: say so at once.
case $("$binary" devices) in *"auto takes the CPU"*) [ "$device" = gpu ] && { echo "no real GPU answers"; exit 1; } ;; esac

if [ -n "$fasta" ]; then
    step "the index of $fasta"
    "$binary" index "$fasta" -o "$work/genome.tidx"
else
    step "a genome is made up"
    "$binary" bench --synthetic 180M --keep-index "$work/genome.tidx" --templates 2000 --temp "$work" --device cpu
fi
genome=(-x "$work/genome.tidx")

step "CPU lanes, GPU, both: $pairs pairs of 2x150"
"$binary" bench "${genome[@]}" --templates "$pairs" --temp "$work" --device "cpu,$device,$device+cpu" \
    --json "$out/bench.json" --svg "$out/bench.svg"

step "GPU with 2 CPU cores"
"$binary" bench "${genome[@]}" --templates $((pairs / 8)) --threads 2 --temp "$work" --device "cpu,$device" \
    --json "$out/two_cores.json"

step "workgroups and submissions"
for lanes in 32 64 128 256; do
    for reads in 16384 65528; do
        echo "workgroups of $lanes, submissions of $reads reads"
        THERALIGN_LANES=$lanes THERALIGN_GPU_READS=$reads "$binary" bench "${genome[@]}" --templates $((pairs / 8)) \
            --temp "$work" --device "$device" 2>&1 | grep -E 'ns a read|^reads a second|  [0-9a-f]{12}$'
    done
done

step "wgpu's checks in shaders"
THERALIGN_CHECKED=1 "$binary" bench "${genome[@]}" --templates $((pairs / 8)) --temp "$work" --device "$device" 2>&1 |
    grep -E 'ns a read|^reads a second|  [0-9a-f]{12}$'

step "faults"
for fault in lost@40 refused@41 hung@42 memory@43 wrong@0; do
    echo "$fault"
    THERALIGN_FAULT=$fault "$binary" bench "${genome[@]}" --templates 20000 --temp "$work" --device "$device" 2>&1 |
        grep -E 'warning|error' | head -n 2 || true
done
step "done; the figures are in $out"

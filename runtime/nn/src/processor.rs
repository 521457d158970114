//! What this machine's processor multiplies by itself. Engines compute on without such instructions, but slower than in fp32 or with sums
//! that overflow: such a precision is not to be had then.

/// Whether the processor multiplies bf16 numbers.
///
/// # Errors
/// A sentence that says what it lacks.
pub(crate) fn multiplies_bf16() -> Result<(), String> {
    #[cfg(target_arch = "x86_64")]
    // Every processor with AMX tiles of bf16 has the vectors as well.
    let there = std::arch::is_x86_feature_detected!("avx512bf16");
    #[cfg(target_arch = "aarch64")]
    let there = std::arch::is_aarch64_feature_detected!("bf16");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let there = false;
    lacks(there, "bf16 products (AVX512-BF16, AMX or Arm's BF16)")
}

/// Whether the processor sums products of unsigned and signed bytes in 32 bits. Without that, engines sum pairs in 16 bits, which clip.
///
/// # Errors
/// A sentence that says what it lacks.
pub(crate) fn multiplies_int8() -> Result<(), String> {
    #[cfg(target_arch = "x86_64")]
    let there = std::arch::is_x86_feature_detected!("avx512vnni")
        || std::arch::is_x86_feature_detected!("avxvnni");
    #[cfg(target_arch = "aarch64")]
    let there = std::arch::is_aarch64_feature_detected!("dotprod");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let there = false;
    lacks(there, "8-bit products (VNNI or Arm's DotProd)")
}

fn lacks(there: bool, what: &str) -> Result<(), String> {
    if there {
        return Ok(());
    }
    Err(format!("this processor has no instructions for {what}"))
}

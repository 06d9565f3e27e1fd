//! Names of GPU models: from what the driver says to what machine types say.

/// Words that name the maker or a product line, and not the model.
const NOISE: &[&str] = &[
    "NVIDIA",
    "TESLA",
    "GEFORCE",
    "GRAPHICS",
    "DEVICE",
    "CORPORATION",
];
/// Models that come with different amounts of memory, which then belong to the name, in GB.
const BY_MEMORY: &[(&str, &[u32])] = &[("A100", &[80]), ("V100", &[32])];

/// The model of a GPU with `memory_mib`, as machine types name it: `H100`, `A100-80G`, `RTX4000`, `A4000`.
pub(crate) fn model_name(driver: &str, memory_mib: u32) -> String {
    let text = driver
        .to_uppercase()
        .replace("QUADRO RTX", "QUADRO-RTX")
        .replace("GEFORCE RTX", "GEFORCE-RTX");
    let words = text.split_whitespace().map(|word| {
        word.trim_start_matches("QUADRO-")
            .trim_start_matches("GEFORCE-")
    });
    let mut words = words.filter(|word| !NOISE.contains(word)).peekable();
    let Some(first) = words.next() else {
        return "GPU".to_owned();
    };
    let name = match first {
        // "RTX A4000" is an A4000; "RTX 4000" and "RTX 6000 ADA GENERATION" are what they say.
        "RTX" | "GTX" | "QUADRO" | "TITAN" => {
            with_line(first, words.next().unwrap_or_default(), words.next())
        }
        "ADA" | "L" => first.to_owned(),
        other => without_form(other),
    };
    let sizes = BY_MEMORY
        .iter()
        .find(|(model, _)| *model == name)
        .map_or(&[][..], |(_, sizes)| sizes);
    // Drivers keep some memory for themselves, so the nominal size is the next one up.
    let nominal = memory_mib.div_ceil(1_024);
    match sizes.iter().find(|size| nominal.abs_diff(**size) <= 4) {
        Some(size) => format!("{name}-{size}G"),
        None => name,
    }
}

fn with_line(line: &str, number: &str, after: Option<&str>) -> String {
    let number = without_form(number);
    if line == "RTX" && number.starts_with('A') && number.len() > 1 {
        return number;
    }
    let line = if line == "QUADRO" { "" } else { line };
    let suffix = match after {
        Some("TI") => "TI",
        Some("SUPER") => "SUPER",
        Some("ADA") => "-ADA",
        _ => "",
    };
    format!("{line}{number}{suffix}")
}

/// `A100-SXM4-80GB` -> `A100`, `H100` -> `H100`.
fn without_form(word: &str) -> String {
    let cut = word.split('-').next().unwrap_or(word);
    cut.chars().filter(char::is_ascii_alphanumeric).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drivers_names_become_those_of_the_catalogue() {
        let table = [
            ("NVIDIA H100 80GB HBM3", 81_559, "H100"),
            ("NVIDIA H100 PCIe", 81_559, "H100"),
            ("NVIDIA H200", 143_771, "H200"),
            ("NVIDIA A100-SXM4-80GB", 81_920, "A100-80G"),
            ("NVIDIA A100 80GB PCIe", 81_920, "A100-80G"),
            ("NVIDIA A100-SXM4-40GB", 40_960, "A100"),
            ("NVIDIA A100-PCIE-40GB", 40_536, "A100"),
            ("Tesla V100-SXM2-16GB", 16_384, "V100"),
            ("Tesla V100-SXM2-32GB", 32_768, "V100-32G"),
            ("Tesla T4", 15_360, "T4"),
            ("NVIDIA A10G", 23_028, "A10G"),
            ("NVIDIA L40S", 46_068, "L40S"),
            ("NVIDIA RTX A4000", 16_376, "A4000"),
            ("NVIDIA RTX A6000", 49_140, "A6000"),
            ("NVIDIA RTX 6000 Ada Generation", 49_140, "RTX6000-ADA"),
            ("Quadro RTX 4000", 8_192, "RTX4000"),
            ("Quadro RTX 5000", 16_384, "RTX5000"),
            ("Quadro P4000", 8_192, "P4000"),
            ("Quadro M4000", 8_192, "M4000"),
            ("NVIDIA GeForce RTX 3090", 24_576, "RTX3090"),
            ("NVIDIA GeForce RTX 4070 Ti", 12_288, "RTX4070TI"),
            ("NVIDIA GeForce GTX 1080 Ti", 11_264, "GTX1080TI"),
            ("NVIDIA TITAN RTX", 24_576, "TITANRTX"),
            ("NVIDIA B200", 183_359, "B200"),
            ("Some New/Card 9", 1_024, "SOME"),
            ("", 0, "GPU"),
        ];
        for (driver, memory, wanted) in table {
            assert_eq!(model_name(driver, memory), wanted, "{driver}");
        }
    }
}

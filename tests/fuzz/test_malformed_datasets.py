"""Files of the published data sets: read right or refused on one line."""

import fuzz_datasets as datasets
from fuzz_case import blame_all, judge


def test_malformed_files_of_data_sets(tmp_path):
    datasets.write_templates(tmp_path / "good")
    cases = datasets.cases(tmp_path / "good")
    blame_all(cases, judge(cases, datasets.read, tmp_path / "folder"))

"""Accounts from a CSV file."""

import pytest

from loadtest.client.tokens import UsersFile


def users(tmp_path, text, needed=("email", "password")):
    path = tmp_path / "users.csv"
    path.write_text(text, encoding="utf-8")
    return UsersFile(path, needed)


def test_rows_are_users_and_columns_are_by_name(tmp_path):
    found = users(tmp_path, '\ufeffemail, password ,id\nann@x,"a,b",u-1\n\nben@x,c,u-2\n')
    assert len(found) == 2
    assert found.row(0) == {"email": "ann@x", "password": "a,b", "id": "u-1"}
    assert [found.user_id(0), found.user_id(1)] == ["u-1", "u-2"]


def test_without_a_column_for_it_the_backend_s_name_of_a_user_is_not_known(tmp_path):
    assert users(tmp_path, "email,password\nann@x,a\n").user_id(0) is None


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "has no column email, which --login-body takes .it has none."),
        ("email,pw\nann@x,SECRET\n", "has no column password, which --login-body takes .it has email, pw."),
        ("email,password\n", "holds no user"),
        ("email,password\nann@x\n", "line 2 of .* has 1 columns, not 2"),
        ("email,password\nann@x,SECRET\nben@x,\n", "line 3 of .* has no password"),
        ("email,password\nann@x,SECRET\nben@x,b\nann@x,SECRET\n", "user 3 of .* repeats user 1"),
        ('email,password\nann@x,"SECRET\n', "cannot be read .not a CSV file."),
    ],
)
def test_a_bad_file_is_refused_without_its_passwords(tmp_path, text, complaint):
    with pytest.raises(ValueError, match=complaint) as caught:
        users(tmp_path, text)
    assert "SECRET" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"absent' cannot be read .No such file"):
        UsersFile(tmp_path / "absent", ())

"""Rights follow from roles."""

from common.domain.user import Principal, Right, Role, rights_of


def test_roles_add_up() -> None:
    assert rights_of([]) == frozenset()
    both = Principal("ada", "default", frozenset({Role.READER, Role.AUDITOR}))
    assert both.rights == {Right.READ, Right.AUDIT}


def test_only_clinicians_administrators_and_emergency_accounts_see_personal_data() -> None:
    seeing = [role for role in Role if Right.PERSONAL in rights_of([role])]
    assert seeing == [Role.CLINICIAN, Role.ADMIN, Role.EMERGENCY]

package portal

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"

	"github.com/datatransferhub/dth/infra/kit"
	"github.com/datatransferhub/dth/lambda/task/wiring"
)

// signIn makes what signs people in: a user pool with its client and groups, or nothing when another provider does.
func (b *builder) signIn() {
	if b.variant == OpenID {
		return
	}
	b.userPool()
	b.managedLogin()
	for i, group := range wiring.Groups() {
		b.s.Resource(group.ID, "AWS::Cognito::UserPoolGroup", object{
			"UserPoolId": kit.Ref("UserPool"), "GroupName": group.Name, "Description": group.Description, "Precedence": i,
		})
	}
	b.s.Resource("FirstAdmin", "AWS::Cognito::UserPoolUser", object{
		"UserPoolId": kit.Ref("UserPool"), "Username": kit.Ref("AdminEmail"), "DesiredDeliveryMediums": list{"EMAIL"},
		"UserAttributes": list{object{"Name": "email", "Value": kit.Ref("AdminEmail")}, object{"Name": "email_verified", "Value": "true"}},
	})
	b.s.Resource("FirstAdminRole", "AWS::Cognito::UserPoolUserToGroupAttachment", object{
		"UserPoolId": kit.Ref("UserPool"), "Username": kit.Ref("FirstAdmin"), "GroupName": kit.Ref(wiring.Groups()[0].ID),
	})
}

// userPool makes the pool: administrators alone make users, who sign in by e-mail address.
func (b *builder) userPool() {
	b.s.Resource("UserPool", "AWS::Cognito::UserPool", object{
		"UserPoolTier":           "ESSENTIALS",
		"UsernameAttributes":     list{"email"},
		"UsernameConfiguration":  object{"CaseSensitive": false},
		"AutoVerifiedAttributes": list{"email"},
		"AccountRecoverySetting": object{"RecoveryMechanisms": list{object{"Name": "verified_email", "Priority": 1}}},
		"AdminCreateUserConfig": object{
			"AllowAdminCreateUserOnly": true,
			"InviteMessageTemplate": object{
				"EmailSubject": "Data Transfer Hub: your sign-in",
				"EmailMessage": kit.Sub("<p>You can sign in to Data Transfer Hub ${AWS::StackName} as {username}.</p><p>Your temporary password, valid for three days: {####}</p>"),
			},
		},
		"Policies": object{"PasswordPolicy": object{
			"MinimumLength": 12, "RequireLowercase": true, "RequireUppercase": true, "RequireNumbers": true, "RequireSymbols": true,
			"TemporaryPasswordValidityDays": 3, "PasswordHistorySize": 5,
		}},
		"MfaConfiguration":   kit.Ref("MfaConfiguration"),
		"EnabledMfas":        b.c.mfa.ChooseAny(list{"SOFTWARE_TOKEN_MFA"}, kit.NoValue()),
		"DeletionProtection": b.c.protected.Choose(new("ACTIVE"), new("INACTIVE")),
	}).ApplyRemovalPolicy(awscdk.RemovalPolicy_DESTROY, nil)
}

// managedLogin makes the sign-in pages and the console's client: public, so it has no secret, and the authorization code is
// bound to the browser that asked for it (PKCE).
func (b *builder) managedLogin() {
	b.s.Resource("SignInDomain", "AWS::Cognito::UserPoolDomain", object{
		"UserPoolId": kit.Ref("UserPool"), "Domain": kit.Join("-", new("dth"), kit.Unique()), "ManagedLoginVersion": 2,
	})
	home := b.home()
	b.s.Resource("SignInClient", "AWS::Cognito::UserPoolClient", object{
		"UserPoolId": kit.Ref("UserPool"), "ClientName": "console", "GenerateSecret": false,
		"SupportedIdentityProviders":      list{"COGNITO"},
		"AllowedOAuthFlowsUserPoolClient": true, "AllowedOAuthFlows": list{"code"}, "AllowedOAuthScopes": list{"openid", "email", "profile"},
		"CallbackURLs": list{home}, "LogoutURLs": list{home}, "DefaultRedirectURI": home,
		"ExplicitAuthFlows": list{"ALLOW_REFRESH_TOKEN_AUTH"}, "PreventUserExistenceErrors": "ENABLED", "EnableTokenRevocation": true,
		"TokenValidityUnits":  object{"AccessToken": "minutes", "IdToken": "minutes", "RefreshToken": "hours"},
		"AccessTokenValidity": 60, "IdTokenValidity": 60, "RefreshTokenValidity": 12,
	})
	b.s.Resource("SignInPages", "AWS::Cognito::ManagedLoginBranding", object{
		"UserPoolId": kit.Ref("UserPool"), "ClientId": kit.Ref("SignInClient"), "UseCognitoProvidedValues": true,
	})
}

// issuer is who issues the tokens that the API takes.
func (b *builder) issuer() *string {
	if b.variant == OpenID {
		return kit.Ref("OidcIssuer")
	}
	return kit.Sub("${UserPool.ProviderURL}")
}

// clientID is the client that the tokens are for.
func (b *builder) clientID() *string {
	if b.variant == OpenID {
		return kit.Ref("OidcClientId")
	}
	return kit.Ref("SignInClient")
}

// groupsClaim is the claim that lists a person's groups.
func (b *builder) groupsClaim() *string {
	if b.variant == OpenID {
		return kit.Ref("OidcGroupsClaim")
	}
	return new("cognito:groups")
}

// scopes are those that the console asks for. Cognito refuses offline_access.
func (b *builder) scopes() *string {
	if b.variant == OpenID {
		return kit.Ref("OidcScopes")
	}
	return new("openid email profile")
}

// loginHosts are what the hosts of user pools' domains end with, by partition.
// https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-assign-domain-prefix.html; that of aws-eusc is
// assumed from the partition's other names.
var loginHosts = map[string]string{"aws": "amazoncognito.com", "aws-eusc": "amazoncognito.eu"}

// signInHost is the origin of the sign-in pages.
func (b *builder) signInHost() *string {
	return kit.SubWith("https://${SignInDomain}.auth.${AWS::Region}.${LoginHost}", map[string]*string{"LoginHost": b.values[loginHost]})
}
